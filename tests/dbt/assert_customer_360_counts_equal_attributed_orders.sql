-- Each entity is in customer_360 once, with its records and the sales attributed to them.
with

counted as (

    select
        entity_id,
        1 as entity_count,
        record_count,
        order_count
    from {{ ref('customer_360') }}
    union all
    select
        entity_id,
        -1 as entity_count,
        -sum(case when is_merged_away then 0 else 1 end) as record_count,
        0 as order_count
    from {{ ref('entity_index') }}
    group by entity_id
    union all
    select
        records.entity_id,
        0 as entity_count,
        0 as record_count,
        -count(*) as order_count
    from {{ ref('stg_shopify_orders') }} as orders
    inner join {{ ref('entity_index') }} as records
        on records.source = 'shopify' and orders.customer_id = records.source_id
    where {{ is_sale() }}
    group by records.entity_id

)

select
    entity_id,
    sum(entity_count) as entity_count_too_many,
    sum(record_count) as record_count_too_many,
    sum(order_count) as order_count_too_many
from counted
group by entity_id
having sum(entity_count) <> 0 or sum(record_count) <> 0 or sum(order_count) <> 0
