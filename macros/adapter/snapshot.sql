{#- dbt-spark merges a snapshot even when nothing changed, and an Iceberg merge of no rows commits all the same. -#}
{% macro spark__snapshot_merge_sql(target, source, insert_cols) -%}
    {%- if run_query('select 1 from ' ~ source.identifier ~ ' limit 1').rows | length -%}
        {{ default__snapshot_merge_sql(target, source, insert_cols) }}
    {%- else -%}
        select 'unchanged'
    {%- endif -%}
{%- endmacro %}
