{#- version_as_of(snapshot_id): the clause after a table's name that reads one snapshot of it. -#}
{% macro version_as_of(snapshot_id) -%}
    {{ return(adapter.dispatch('version_as_of', 'frazil')(snapshot_id)) }}
{%- endmacro %}

{% macro spark__version_as_of(snapshot_id) -%}
    version as of {{ snapshot_id }}
{%- endmacro %}

{% macro trino__version_as_of(snapshot_id) -%}
    for version as of {{ snapshot_id }}
{%- endmacro %}
