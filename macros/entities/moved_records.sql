{#-
moved_records(index): the records that were in another entity when this model last read the index: record_key, old_entity_id
and new_entity_id, null for a record that has left it. None in a first build.
-#}
{% macro moved_records(index) -%}
    {%- set state = parent_state(index) -%}
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
        select
            concat(before.source, ':', before.source_id) as record_key,
            before.entity_id as old_entity_id,
            present.entity_id as new_entity_id
        from (
            select * from {{ index }} {{ version_as_of(state.last_pin) }}
        ) as before
        left join (
            select * from {{ index }} {{ pin_clause(state) }}
        ) as present on before.source = present.source and before.source_id = present.source_id
        where present.entity_id is null or present.entity_id <> before.entity_id
    {%- endif -%}
{%- endmacro %}
