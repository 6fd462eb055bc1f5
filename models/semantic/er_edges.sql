{{ config(materialized='view', unique_key=['key_low', 'key_high']) }}

with

edges as (

    {{ accepted_edges() }}

)

select
    key_low,
    key_high,
    entity_id,
    kind,
    rules,
    tier,
    bits
from edges
