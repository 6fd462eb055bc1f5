{#- json_text(column, 'a.b'): the object or array at a path of a JSON string, as JSON text; null if absent. -#}
{% macro json_text(column, path) -%}
    {{ return(adapter.dispatch('json_text', 'frazil')(column, path)) }}
{%- endmacro %}

{% macro spark__json_text(column, path) -%}
    get_json_object({{ column }}, '$.{{ path }}')
{%- endmacro %}

{% macro trino__json_text(column, path) -%}
    json_format(json_extract({{ column }}, '$.{{ path }}'))
{%- endmacro %}
