{#-
kept_files(name, sql): keeps the rows of a query in files until `drop_kept_files(name)`, and returns what to read them by.

On Spark outside the lake, in a schema that this run and no other process knows (`drop_kept_schema` ends it): to write the
metadata of an Iceberg table, and to read it again to drop its files, takes longer than most steps.
-#}
{% macro kept_files(name, sql) %}
    {{ return(adapter.dispatch('kept_files', 'frazil')(name, sql)) }}
{% endmacro %}

{% macro spark__kept_files(name, sql) %}
    {% if not run_state().kept_schema %}
        {% do run_query('create schema if not exists ' ~ kept_schema()) %}
        {% do run_state().update({'kept_schema': kept_schema()}) %}
    {% endif %}
    {% do run_query('create table ' ~ kept_schema() ~ '.' ~ name ~ ' using parquet as ' ~ sql) %}
    {% do return(kept_schema() ~ '.' ~ name) %}
{% endmacro %}

{% macro trino__kept_files(name, sql) %}
    {% do run_query('create or replace table metadata.' ~ name ~ ' as ' ~ sql) %}
    {% do return('metadata.' ~ name) %}
{% endmacro %}

{% macro drop_kept_files(name) %}
    {{ return(adapter.dispatch('drop_kept_files', 'frazil')(name)) }}
{% endmacro %}

{% macro spark__drop_kept_files(name) %}
    {% do run_query('drop table if exists ' ~ kept_schema() ~ '.' ~ name) %}
{% endmacro %}

{% macro trino__drop_kept_files(name) %}
    {% do run_query('drop table if exists metadata.' ~ name) %}
{% endmacro %}

{#- Below `spark.sql.warehouse.dir` of profiles.yml; `frazil maintain run` removes what a run that was killed left there. -#}
{% macro kept_schema() %}
    {% do return('spark_catalog.run_' ~ invocation_id | replace('-', '_')) %}
{% endmacro %}

{#- drop_kept_schema(): at a run's end, what it kept and models that failed did not drop. -#}
{% macro drop_kept_schema() %}
    {% if execute and run_state().kept_schema %}
        {% do run_query('drop schema if exists ' ~ run_state().kept_schema ~ ' cascade') %}
    {% endif %}
{% endmacro %}
