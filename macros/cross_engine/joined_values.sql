{#- joined_values(expression): the distinct values of a group as one text, sorted and separated by `, `; '' without any. -#}
{% macro joined_values(expression) -%}
    {{ return(adapter.dispatch('joined_values', 'frazil')(expression)) }}
{%- endmacro %}

{% macro spark__joined_values(expression) -%}
    array_join(sort_array(collect_set({{ expression }})), ', ')
{%- endmacro %}

{% macro trino__joined_values(expression) -%}
    coalesce(array_join(array_sort(array_agg(distinct {{ expression }}) filter (where {{ expression }} is not null)), ', '), '')
{%- endmacro %}
