{#- replaced_all(text, pattern, replacement): every match of a regular expression replaced; backslashes as the engine needs them. -#}
{% macro replaced_all(text, pattern, replacement='') -%}
    {{ return(adapter.dispatch('replaced_all', 'frazil')(text, pattern, replacement)) }}
{%- endmacro %}

{% macro spark__replaced_all(text, pattern, replacement) -%}
    regexp_replace({{ text }}, '{{ pattern | replace('\\', '\\\\') }}', '{{ replacement }}')
{%- endmacro %}

{% macro trino__replaced_all(text, pattern, replacement) -%}
    regexp_replace({{ text }}, '{{ pattern }}', '{{ replacement }}')
{%- endmacro %}
