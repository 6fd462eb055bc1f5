{#- json_value(column, 'a.b'): the scalar at a path of a JSON string, as text; null if absent. -#}
{% macro json_value(column, path) -%}
    {{ return(adapter.dispatch('json_value', 'frazil')(column, path)) }}
{%- endmacro %}

{% macro spark__json_value(column, path) -%}
    get_json_object({{ column }}, '$.{{ path }}')
{%- endmacro %}

{% macro trino__json_value(column, path) -%}
    json_extract_scalar({{ column }}, '$.{{ path }}')
{%- endmacro %}
