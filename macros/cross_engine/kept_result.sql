{#-
kept_result(name, sql): keeps the rows of a query under a name until `drop_kept_result(name)`, in this session where the
engine can, and returns what to read them by.
-#}
{% macro kept_result(name, sql) %}
    {{ return(adapter.dispatch('kept_result', 'frazil')(name, sql)) }}
{% endmacro %}

{% macro spark__kept_result(name, sql) %}
    {% do run_query('drop view if exists ' ~ name) %}
    {% do run_query('cache table ' ~ name ~ ' as ' ~ sql) %}
    {% do return(name) %}
{% endmacro %}

{% macro trino__kept_result(name, sql) %}
    {% do run_query('create or replace table metadata.' ~ name ~ ' as ' ~ sql) %}
    {% do return('metadata.' ~ name) %}
{% endmacro %}

{% macro drop_kept_result(name) %}
    {{ return(adapter.dispatch('drop_kept_result', 'frazil')(name)) }}
{% endmacro %}

{% macro spark__drop_kept_result(name) %}
    {% do run_query('drop view if exists ' ~ name) %}
{% endmacro %}

{% macro trino__drop_kept_result(name) %}
    {% do run_query('drop table if exists metadata.' ~ name) %}
{% endmacro %}
