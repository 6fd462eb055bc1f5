{#-
moved_records(index): the records that were in another entity when this model last read the index: record_key, old_entity_id
and new_entity_id, null for a record that has left it. None in a first build.
-#}
{% macro moved_records(index) -%}
    {%- set state = parent_state(index) -%}
    {%- set records = ref('er_source_records') -%}
    {%- if state.last_pinned_at is not none and state.last_pin is none -%}
        {{ exceptions.raise_compiler_error(
            this ~ ' last read ' ~ index ~ ' at ' ~ state.last_pinned_at ~ ', a snapshot that has expired; to go on without'
            ~ ' what became of ids since, drop the table and build it again'
        ) }}
    {%- elif state.last_pin is none or state.last_pin == state.pin -%}
        select
            {{ record_key() }} as record_key,
            entity_id as old_entity_id,
            entity_id as new_entity_id
        from {{ index }} {{ pin_clause(state) }}
        where false
    {%- else -%}
        select {{ small_side('present') if is_small_change(index, state, records) }}
            concat(before.source, ':', before.source_id) as record_key,
            before.entity_id as old_entity_id,
            present.entity_id as new_entity_id
        from (
            select * from {{ index }} {{ version_as_of(state.last_pin) }}
        ) as before
        inner join (
            {{ rows_since(index, state, records) }}
        ) as present on before.source = present.source and before.source_id = present.source_id
        where present.entity_id is null or present.entity_id <> before.entity_id
    {%- endif -%}
{%- endmacro %}

{#- Rows of the index written since, and records that have left it since: all that can be in another entity. -#}
{% macro rows_since(index, state, records) -%}
    {%- set moment = utc_literal(utc_moment(state.last_pinned_at)) -%}
    select
        source,
        source_id,
        entity_id
    from {{ index }} {{ pin_clause(state) }}
    where _built_at > {{ moment }}
    union all
    select
        source,
        source_id,
        cast(null as {{ dbt.type_string() }}) as entity_id
    from {{ records }} {{ pinned(records) }}
    where is_deleted and _built_at > {{ moment }}
{%- endmacro %}

{% macro is_small_change(index, state, records) %}
    {% set sql = 'select count(*) from (' ~ rows_since(index, state, records) ~ ') as present' %}
    {% do return(run_query(sql).rows[0][0] | int <= var('most_rows_handed_out')) %}
{% endmacro %}

{#- kept_moved_records(): the query of `moved_records` over entity_index (`sql`), and what to read its rows by (`rows`). -#}
{% macro kept_moved_records() %}
    {% set text = dbt.type_string() %}
    {% set sql = moved_records(ref('entity_index')) %}
    {% set columns = {'record_key': text, 'old_entity_id': text, 'new_entity_id': text} %}
    {% do return({'sql': sql, 'rows': kept_rows('moved', sql, columns)}) %}
{% endmacro %}
