{#-
in_one_task(condition): behind `select`, does its work in one task if the condition holds (where the engine can be told):
for a few thousand rows that are sorted in many ways, a shuffle for each way would cost far more than the sorting.
-#}
{% macro in_one_task(condition) -%}
    {{ return(adapter.dispatch('in_one_task', 'frazil')(condition)) }}
{%- endmacro %}

{% macro spark__in_one_task(condition) -%}
    {{ '/*+ coalesce(1) */' if condition }}
{%- endmacro %}

{% macro trino__in_one_task(condition) -%}
{%- endmacro %}
