{{ config(
    unique_key=['record_key', 'rule'],
    post_hook="{{ drop_steps() }}",
    meta={'gone_without': 'block_hash', 'few_of_many': true},
) }}

{%- set changed_records -%}
    select *
    from {{ ref('er_source_records') }} {{ since_watermark(ref('er_source_records'), '_built_at') }}
{%- endset -%}

{%- set types = {
    'record_key': dbt.type_string(), 'rule': dbt.type_string(), 'block_hash': 'bigint', 'is_generic': 'boolean',
} -%}
{%- if is_incremental() -%}
    {%- set found = kept_rows(
        'found',
        found_blocks(changed_records),
        types,
        as_table=false,
        after=many_of(ref('er_source_records'))
    ) -%}
    {%- set stored_types = dict(types, is_active='boolean') -%}
    {%- set are_new = brings_only_new_keys(ref('er_source_records')) -%}
    {%- set before = literal_rows([], stored_types) if are_new else kept_rows(
        'before', blocks_before(found), stored_types, as_table=false, after=found
    ) -%}
    {%- set after = found if are_new else before -%}
    {%- set sizes = kept_rows(
        'sizes',
        changed_blocks_of(found, before),
        {'block_hash': 'bigint', 'is_active': 'boolean', 'is_turned': 'boolean'},
        as_table=false,
        after=after
    ) -%}
    {%- set stored = looked_up(
        step_of_many('stored', stored_blocks(found, before, sizes), after)
    ) -%}
{%- else -%}
    {%- set found = cached_step('found', found_blocks(changed_records)) -%}
{%- endif -%}

{{ reads(changed_records) }}
with

blocks as (

    {% if is_incremental() %}
        {{ blocks_with_changes(found, before, sizes, stored) }}
    {% else %}
        {{ blocks_of_all(found) }}
    {% endif %}

)

select
    record_key,
    rule,
    block_hash,
    is_generic,
    is_active,
    {{ run_timestamp() }} as _built_at
from blocks
