{#- md5_hex(expression): the MD5 of a text as 32 lower-case hex digits. -#}
{% macro md5_hex(expression) -%}
    {{ return(adapter.dispatch('md5_hex', 'frazil')(expression)) }}
{%- endmacro %}

{% macro spark__md5_hex(expression) -%}
    md5({{ expression }})
{%- endmacro %}

{% macro trino__md5_hex(expression) -%}
    lower(to_hex(md5(to_utf8({{ expression }}))))
{%- endmacro %}
