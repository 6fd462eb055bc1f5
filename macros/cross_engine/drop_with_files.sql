{#- drop_with_files(name): drops an Iceberg table and what it was written to. -#}
{% macro drop_with_files(name) %}
    {{ return(adapter.dispatch('drop_with_files', 'frazil')(name)) }}
{% endmacro %}

{% macro spark__drop_with_files(name) %}
    {% do run_query('drop table if exists ' ~ name ~ ' purge') %}
{% endmacro %}

{% macro trino__drop_with_files(name) %}
    {% do run_query('drop table if exists ' ~ name) %}
{% endmacro %}
