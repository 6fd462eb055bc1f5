-- Records that share a normalised value are in one entity; blocking_index lists the index's values.
select
    block_type,
    block_value,
    'in several entities' as reason
from {{ ref('blocking_index') }}
group by block_type, block_value
having count(distinct entity_id) > 1
union all
select
    block_type,
    block_value,
    'listed or indexed only' as reason
from (
    select
        block_type,
        block_value,
        source,
        source_id,
        entity_id,
        1 as listed
    from {{ ref('blocking_index') }}
    union all
    select
        'email' as block_type,
        email_normalized as block_value,
        source,
        source_id,
        entity_id,
        -1 as listed
    from {{ ref('entity_index') }}
    where email_normalized is not null
    union all
    select
        'phone' as block_type,
        phone_normalized as block_value,
        source,
        source_id,
        entity_id,
        -1 as listed
    from {{ ref('entity_index') }}
    where phone_normalized is not null
) as both_sides
group by block_type, block_value, source, source_id, entity_id
having sum(listed) <> 0
