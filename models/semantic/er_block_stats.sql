{{ config(materialized='view', unique_key='block_hash') }}

select
    block_hash,
    min(rule) as rule,
    count(*) as record_count,
    bool_or(is_generic) as is_generic,
    bool_or(not is_active and not is_generic) as is_capped
from {{ ref('blocking_index') }} {{ pinned(ref('blocking_index')) }}
group by block_hash
