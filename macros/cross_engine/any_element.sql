{#- any_element(elements, condition): whether `condition` (over `element`) is true of any element; false for null. -#}
{% macro any_element(elements, condition) -%}
    coalesce(cardinality(filter({{ elements }}, element -> {{ condition }})) > 0, false)
{%- endmacro %}
