{#- metadata.incremental_watermarks: up to where each model has read each of its parents. -#}
{% macro watermarks_table() %}
    {% do return('metadata.incremental_watermarks') %}
{% endmacro %}

{#-
prepare_metadata(): at a run's start, make the watermark table and refuse a clock that runs behind the last run:
rows stamped with an earlier time would be passed over by the models that read them.
-#}
{% macro prepare_metadata() %}
    {% if execute %}
        {% do run_query('create schema if not exists metadata') %}
        {% do run_query(create_watermarks_statement()) %}
        {% set watermarks = read_watermarks() %}
        {% do run_state().update({'watermarks': watermarks}) %}
        {% set latest = namespace(moment='') %}
        {% for parents in watermarks.values() %}
            {% for parent, moment in parents.items() if not parent.startswith('raw.') and moment > latest.moment %}
                {% set latest.moment = moment %}
            {% endfor %}
        {% endfor %}
        {% if latest.moment >= run_started_at.strftime('%Y-%m-%d %H:%M:%S.%f') %}
            {{ exceptions.raise_compiler_error(
                'the clock (' ~ run_started_at ~ ') is behind the last run (' ~ latest.moment ~ '): set it right, or wait'
            ) }}
        {% endif %}
    {% endif %}
{% endmacro %}

{#- read_watermarks(): of every model, up to where it has read its parents: {model: {parent: moment}}. -#}
{% macro read_watermarks() %}
    {% set found = {} %}
    {% for parent, name, moment in run_query(
        "select source_table, pipeline_name, concat('@', " ~ utc_text_of('last_sync_timestamp') ~ ") from "
        ~ watermarks_table()
    ).rows %}
        {% do found.setdefault(name, {}).update({parent: marked_value(moment)}) %}
    {% endfor %}
    {% do return(found) %}
{% endmacro %}

{% macro create_watermarks_statement() -%}
    {{ return(adapter.dispatch('create_watermarks_statement', 'frazil')()) }}
{%- endmacro %}

{% macro spark__create_watermarks_statement() -%}
    create table if not exists {{ watermarks_table() }} (
        source_table string comment 'The parent: schema.table',
        pipeline_name string comment 'The model that reads it',
        last_sync_timestamp timestamp comment 'When the snapshot of the parent that was read last was made',
        records_processed bigint comment 'Rows the model wrote in that run; null in a full build',
        updated_at timestamp comment 'Start of the run that moved this watermark'
    ) using iceberg
    tblproperties ('format-version' = '2')
{%- endmacro %}

{% macro trino__create_watermarks_statement() -%}
    create table if not exists {{ watermarks_table() }} (
        source_table varchar,
        pipeline_name varchar,
        last_sync_timestamp timestamp(6) with time zone,
        records_processed bigint,
        updated_at timestamp(6) with time zone
    )
{%- endmacro %}

{#-
move_watermarks(results): at a run's end, one row per (parent, model) of the models that were written, in one commit.

The snapshot each model read stands in its compiled SQL (`pin_clause`). A run that dies before this leaves the old
watermarks: the next one reads more than it needs, and the merge makes that harmless. None is ever lowered.
-#}
{% macro move_watermarks(results) %}
    {% set found = [] %}
    {% for result in results if result.status == 'success' and result.node.resource_type == 'model' %}
        {% set pins = modules.re.findall(
            '(\\w+\\.\\w+)\\s+(?:for )?version as of [0-9]+ /[*] pinned ([^*]+) UTC [*]/', result.node.compiled_code or ''
        ) %}
        {% for parent, moment in pins | unique %}
            {% do found.append((parent, result.node.name, moment, result.adapter_response.get('rows_affected'))) %}
        {% endfor %}
    {% endfor %}
    {% if execute and found %}
        {% set stored = run_state().watermarks or read_watermarks() %}
        {% set moved = {} %}
        {% for parent, name, moment, rows in found if moment > stored.get(name, {}).get(parent, '') %}
            {% do moved.update({
                "source_table = '" ~ parent ~ "' and pipeline_name = '" ~ name ~ "'":
                "select '" ~ parent ~ "' as source_table, '" ~ name ~ "' as pipeline_name, timestamp '" ~ moment
                ~ " UTC' as last_sync_timestamp, cast(" ~ (rows if rows is not none else 'null')
                ~ ' as bigint) as records_processed, ' ~ run_timestamp() ~ ' as updated_at'
            }) %}
        {% endfor %}
        {% if moved %}
            {% do write_watermarks(moved) %}
        {% endif %}
    {% endif %}
{% endmacro %}

{#- write_watermarks(moved): new rows by the condition that finds the old ones. There is one build at a time. -#}
{% macro write_watermarks(moved) %}
    {{ return(adapter.dispatch('write_watermarks', 'frazil')(moved)) }}
{% endmacro %}

{#- The table is a handful of rows: written whole, it stays one file, and nothing is joined. -#}
{% macro spark__write_watermarks(moved) %}
    {% call statement('watermarks') %}
        insert overwrite {{ watermarks_table() }}
        select /*+ coalesce(1) */ * from (
            select * from {{ watermarks_table() }} where not ({{ moved.keys() | join(' or ') }})
            union all
            {{ moved.values() | join(' union all ') }}
        ) as watermarks
    {% endcall %}
{% endmacro %}

{% macro trino__write_watermarks(moved) %}
    {% call statement('watermarks') %}
        merge into {{ watermarks_table() }} as stored
        using ({{ moved.values() | join(' union all ') }}) as moved
        on stored.source_table = moved.source_table and stored.pipeline_name = moved.pipeline_name
        when matched then update set
            last_sync_timestamp = moved.last_sync_timestamp,
            records_processed = moved.records_processed,
            updated_at = moved.updated_at
        when not matched then insert
            (source_table, pipeline_name, last_sync_timestamp, records_processed, updated_at)
            values (
                moved.source_table, moved.pipeline_name, moved.last_sync_timestamp, moved.records_processed,
                moved.updated_at
            )
    {% endcall %}
{% endmacro %}
