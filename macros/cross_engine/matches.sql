{#- matches(text, pattern): whether a regular expression is found in the text; backslashes as the engine needs them. -#}
{% macro matches(text, pattern) -%}
    {{ return(adapter.dispatch('matches', 'frazil')(text, pattern)) }}
{%- endmacro %}

{% macro spark__matches(text, pattern) -%}
    regexp_like({{ text }}, '{{ pattern | replace('\\', '\\\\') }}')
{%- endmacro %}

{% macro trino__matches(text, pattern) -%}
    regexp_like({{ text }}, '{{ pattern }}')
{%- endmacro %}
