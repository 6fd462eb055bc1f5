{#-
normalized_email(column): the address in lower case without spaces around it; null if it is no address, so that blank
and broken values never match. Plus tags and dots are kept: only some providers ignore them.
-#}
{% macro normalized_email(column) -%}
    {%- set address = 'lower(trim(' ~ column ~ '))' -%}
    case when regexp_like({{ address }}, '^[^@ ]+@[^@ ]+$') then {{ address }} end
{%- endmacro %}
