{#-
Seeds on Spark: one `create or replace` with typed literals, so quotes, commas and empty cells (null) arrive as they
are, the table keeps its snapshots, and it is never absent or half loaded. The checksum of file and column types is a
property of the table: a seed that has not changed writes nothing.
-#}
{% materialization seed, adapter='spark' %}
    {% set target = this.incorporate(type='table') %}
    {% set rows = load_agate_table() %}
    {% do store_result('agate_table', response='OK', agate_table=rows) %}
    {{ run_hooks(pre_hooks) }}

    {% set checksum = seed_checksum() %}
    {% if should_full_refresh() or stored_seed_checksum(load_relation(this)) != checksum %}
        {% call statement('main') %}
            {{ seed_statement(target, rows, checksum) }}
        {% endcall %}
        {% do persist_docs(target, model) %}
    {% else %}
        {% do run_state().unchanged.append(model.unique_id) %}
        {% call noop_statement('main', 'UNCHANGED', 'UNCHANGED', 0) %}
            select 'unchanged'
        {% endcall %}
    {% endif %}

    {{ run_hooks(post_hooks) }}
    {{ return({'relations': [target]}) }}
{% endmaterialization %}

{% macro seed_checksum() %}
    {% do return(local_md5(model.checksum.checksum ~ config.get('column_types', {}) | string)) %}
{% endmacro %}

{#- The checksum of what is in the table; none if there is no table. -#}
{% macro stored_seed_checksum(relation) %}
    {% if relation is none or not relation.is_table %}
        {% do return(none) %}
    {% endif %}
    {% for row in run_query("show tblproperties " ~ relation ~ " ('frazil.seed-checksum')").rows %}
        {% do return(row[1]) %}
    {% endfor %}
{% endmacro %}

{% macro seed_statement(target, rows, checksum) -%}
    create or replace table {{ target }}
    using iceberg
    tblproperties ('format-version' = '2', 'frazil.seed-checksum' = '{{ checksum }}')
    as
    {{ load_csv_rows(model, rows) }}
{%- endmacro %}
