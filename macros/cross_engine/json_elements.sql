{#-
json_elements(column): a JSON array as an array of text: scalars as they are, objects and arrays as JSON text.
Null for null; use `filter`, `transform`, `reduce`, `cardinality` and `array_distinct` on it, which both engines have.
-#}
{% macro json_elements(column) -%}
    {{ return(adapter.dispatch('json_elements', 'frazil')(column)) }}
{%- endmacro %}

{% macro spark__json_elements(column) -%}
    from_json({{ column }}, 'array<string>')
{%- endmacro %}

{% macro trino__json_elements(column) -%}
    transform(
        try_cast(json_parse({{ column }}) as array(json)),
        element -> coalesce(json_extract_scalar(element, '$'), nullif(json_format(element), 'null'))
    )
{%- endmacro %}
