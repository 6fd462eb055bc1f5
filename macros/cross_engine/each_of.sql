{#- each_of(columns, name): behind a table's name, one row for each of these columns, its value in the column `name`. -#}
{% macro each_of(columns, name) -%}
    {{ return(adapter.dispatch('each_of', 'frazil')(columns, name)) }}
{%- endmacro %}

{% macro spark__each_of(columns, name) -%}
    lateral view explode(array({{ columns | join(', ') }})) as {{ name }}
{%- endmacro %}

{% macro trino__each_of(columns, name) -%}
    cross join unnest(array[{{ columns | join(', ') }}]) as each_of ({{ name }})
{%- endmacro %}
