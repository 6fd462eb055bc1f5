{{ config(materialized='view', unique_key=['kind', 'value']) }}

with

shared as (

    select
        blocks.rule as kind,
        case blocks.rule
            when 'email' then records.email_normalized
            when 'phone' then records.phone_suffix
            else concat(records.street_normalized, ' ', records.house_number)
        end as value,
        blocks.is_generic,
        records.last_name_normalized
    from {{ ref('blocking_index') }} {{ pinned(ref('blocking_index')) }} as blocks
    inner join {{ ref('er_source_records') }} {{ pinned(ref('er_source_records')) }} as records
        on blocks.record_key = records.record_key
    where not blocks.is_active and blocks.rule in ('email', 'phone', 'address')

)

select
    kind,
    value,
    case when bool_or(is_generic) then 'generic_mailbox' else 'too_many_records' end as reason,
    count(*) as record_count,
    count(distinct last_name_normalized) as last_name_count
from shared
group by kind, value
