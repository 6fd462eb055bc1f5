{{ config(materialized='view', unique_key='record_key') }}

with

edges as (

    {{ accepted_edges() }}

),

links as (

    select
        *,
        key_low as record_key,
        key_high as linked_record_key
    from edges
    union all
    select
        *,
        key_high as record_key,
        key_low as linked_record_key
    from edges

),

ranked as (

    select
        *,
        row_number() over (
            partition by record_key
            order by
                case kind when 'steward' then 1 when 'merge' then 2 else 3 end,
                bits desc,
                linked_record_key asc
        ) as _rank
    from links

)

select
    record_key,
    entity_id,
    linked_record_key,
    kind,
    rules,
    {{ level_text('first_name') }} as first_name_match,
    {{ level_text('last_name') }} as last_name_match,
    {{ level_text('email') }} as email_match,
    {{ level_text('phone') }} as phone_match,
    {{ level_text('address') }} as address_match,
    first_name_bits,
    last_name_bits,
    email_bits,
    phone_bits,
    address_bits,
    bits
from ranked
where _rank = 1
