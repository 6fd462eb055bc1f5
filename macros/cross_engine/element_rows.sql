{#-
element_rows(elements, 'line'): the clause behind a table in `from` that makes one row of each element of an array: `line`
and `line_number` (from 1). A row whose array is empty or null stays, with nulls.
-#}
{% macro element_rows(elements, row) -%}
    {{ return(adapter.dispatch('element_rows', 'frazil')(elements, row)) }}
{%- endmacro %}

{% macro spark__element_rows(elements, row) -%}
    lateral view outer inline(
        transform({{ elements }}, (element, place) -> struct(place + 1, element))
    ) {{ row }}_rows as {{ row }}_number, {{ row }}
{%- endmacro %}

{% macro trino__element_rows(elements, row) -%}
    left join unnest({{ elements }}) with ordinality as {{ row }}_rows ({{ row }}, {{ row }}_number) on true
{%- endmacro %}
