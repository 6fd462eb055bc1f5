{#-
sum_of_elements(elements, path): the sum of the amounts at `path` of an array that `json_elements` gave, exact to two
decimals; 0 for an empty array, null for null or where an amount is missing, unreadable or too large.
-#}
{% macro sum_of_elements(elements, path) -%}
    reduce(
        {{ elements }},
        cast(0 as decimal(18, 2)),
        (total, element) -> try_cast(
            total + try_cast({{ json_value('element', path) }} as decimal(18, 2)) as decimal(18, 2)
        ),
        total -> total
    )
{%- endmacro %}
