{#- at_least(value): no value of the column is below `value`; nulls pass. -#}
{% test at_least(model, column_name, value) %}
    select {{ column_name }}
    from {{ model }}
    where {{ column_name }} < {{ value }}
{% endtest %}
