{#-
What a snapshot writes is computed once and kept: the rows of a view would be computed by each look at it. Rows of keys that
have none yet are appended: where no row ends, a merge finds nothing to do in the table. dbt-spark merges even when nothing
changed, and an Iceberg merge of no rows commits all the same.
-#}
{% macro spark_build_snapshot_staging_table(strategy, sql, target_relation) %}
    {% set staged = api.Relation.create(identifier=target_relation.identifier ~ '__dbt_tmp', type='view') %}
    {% do run_query('drop view if exists ' ~ staged) %}
    {% call statement('build_snapshot_staging_relation') %}
        cache lazy table {{ staged }} as
        {{ snapshot_staging_table(strategy, sql, target_relation ~ ' ' ~ as_it_stands()) }}
    {% endcall %}
    {% do return(staged) %}
{% endmacro %}

{% macro spark__snapshot_merge_sql(target, source, insert_cols) -%}
    {%- set counts = run_query(
        "select count(*), count_if(dbt_change_type = 'insert') from " ~ source.identifier
    ).rows[0] -%}
    {%- if counts[0] | int == 0 -%}
        select 'unchanged'
    {%- elif counts[0] | int == counts[1] | int -%}
        insert into {{ target }} ({{ insert_cols | join(', ') }})
        select {{ insert_cols | join(', ') }} from {{ source.identifier }}
    {%- else -%}
        {{ default__snapshot_merge_sql(target, source, insert_cols) }}
    {%- endif -%}
{%- endmacro %}
