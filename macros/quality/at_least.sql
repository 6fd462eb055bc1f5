{#- at_least(value): no value of the column is below `value`; nulls pass. -#}
{% test at_least(model, column_name, value) %}
    select {{ column_name }}
    from {{ model }}
    where {{ is_below(column_name, value) }}
{% endtest %}

{% macro is_below(column, value) -%}
    {{ column }} < {{ value }}
{%- endmacro %}
