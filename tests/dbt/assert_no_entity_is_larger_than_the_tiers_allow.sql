-- Whatever the evidence, an entity has at most as many records as the highest tier allows.
with

entities as (

    select
        entity_id,
        count(*) as record_count
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
