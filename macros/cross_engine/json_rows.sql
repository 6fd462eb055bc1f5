{#-
json_rows(column, 'line'): the clause behind a table in `from` that makes one row of each element of a JSON array:
`line` (as `json_elements` gives it) and `line_number` (from 1). A row whose array is empty or null stays, with nulls.
-#}
{% macro json_rows(column, row) -%}
    {{ return(adapter.dispatch('json_rows', 'frazil')(column, row)) }}
{%- endmacro %}

{% macro spark__json_rows(column, row) -%}
    lateral view outer inline(
        transform({{ json_elements(column) }}, (element, place) -> struct(place + 1, element))
    ) {{ row }}_rows as {{ row }}_number, {{ row }}
{%- endmacro %}

{% macro trino__json_rows(column, row) -%}
    left join unnest({{ json_elements(column) }}) with ordinality as {{ row }}_rows ({{ row }}, {{ row }}_number)
    on true
{%- endmacro %}
