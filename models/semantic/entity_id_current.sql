{{ config(materialized='view', unique_key='entity_id') }}

with

living as (

    select distinct entity_id
    from {{ ref('entity_index') }} {{ pinned(ref('entity_index')) }}

)

select
    entity_id,
    entity_id as current_entity_id,
    'living' as state
from living
union all
select
    old_entity_id as entity_id,
    new_entity_id as current_entity_id,
    event as state
from {{ ref('entity_id_remap') }} {{ pinned(ref('entity_id_remap')) }}
