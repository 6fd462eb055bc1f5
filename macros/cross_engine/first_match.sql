{#- first_match(text, pattern): the first match of a regular expression; null without one. -#}
{% macro first_match(text, pattern) -%}
    {{ return(adapter.dispatch('first_match', 'frazil')(text, pattern)) }}
{%- endmacro %}

{% macro spark__first_match(text, pattern) -%}
    nullif(regexp_extract({{ text }}, '{{ pattern | replace('\\', '\\\\') }}', 0), '')
{%- endmacro %}

{% macro trino__first_match(text, pattern) -%}
    regexp_extract({{ text }}, '{{ pattern }}')
{%- endmacro %}
