{#- history_of(relation): Iceberg's table of which snapshot became current when. -#}
{% macro history_of(relation) -%}
    {{ return(adapter.dispatch('history_of', 'frazil')(relation)) }}
{%- endmacro %}

{% macro spark__history_of(relation) -%}
    {{ relation.schema }}.{{ relation.identifier }}.history
{%- endmacro %}

{% macro trino__history_of(relation) -%}
    {{ relation.schema }}."{{ relation.identifier }}$history"
{%- endmacro %}
