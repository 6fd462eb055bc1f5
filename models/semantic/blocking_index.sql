{{ config(
    unique_key=['block_type', 'block_value', 'source', 'source_id'],
    meta={'recompute': ['source', 'source_id']},
) }}

with

changed as (

    {{ changed_keys(ref('entity_index'), 'source, source_id', 'source, source_id') }}

),

records as (

    select *
    from {{ ref('entity_index') }} {{ pinned(ref('entity_index')) }}

),

blocks as (

    select
        'email' as block_type,
        email_normalized as block_value,
        source,
        source_id,
        entity_id
    from records
    where email_normalized is not null
    union all
    select
        'phone' as block_type,
        phone_normalized as block_value,
        source,
        source_id,
        entity_id
    from records
    where phone_normalized is not null

)

-- A changed record without any value is a row of nulls: the blocks it had are deleted.
select
    blocks.block_type,
    blocks.block_value,
    changed.source,
    changed.source_id,
    blocks.entity_id,
    {{ run_timestamp() }} as _built_at
from changed
left join blocks on changed.source = blocks.source and changed.source_id = blocks.source_id
