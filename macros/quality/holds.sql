{#- holds(condition): the condition is true of every row; null counts as broken. -#}
{% test holds(model, condition) %}
    select *
    from {{ model }}
    where {{ is_broken(condition) }}
{% endtest %}

{% macro is_broken(condition) -%}
    not coalesce({{ condition }}, false)
{%- endmacro %}
