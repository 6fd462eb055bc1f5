-- Whatever the evidence, an entity has at most as many records as the highest tier allows; those
-- that were put together by a steward or their source count as one.
with

entities as (

    select
        entity_id,
        sum(case when match_tier = 'decided' then 0 else 1 end)
        + max(case when match_tier = 'decided' then 1 else 0 end) as record_count
    from {{ ref('entity_index') }}
    group by entity_id

),

bounds as (

    select max(most_records) as most_records
    from {{ ref('er_tiers') }}

)

select
    entities.entity_id,
    entities.record_count
from entities
inner join bounds on entities.record_count > bounds.most_records
