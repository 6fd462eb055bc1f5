{#- commits_of(relation): Iceberg's table of snapshots, which tells the operation of each and when it was committed. -#}
{% macro commits_of(relation) -%}
    {{ return(adapter.dispatch('commits_of', 'frazil')(relation)) }}
{%- endmacro %}

{% macro spark__commits_of(relation) -%}
    {{ relation.schema }}.{{ relation.identifier }}.snapshots
{%- endmacro %}

{% macro trino__commits_of(relation) -%}
    {{ relation.schema }}."{{ relation.identifier }}$snapshots"
{%- endmacro %}
