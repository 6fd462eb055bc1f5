{{ config(
    unique_key='order_id',
    partition_by='order_date',
    meta={'merge_by': 'position'}
) }}

with

changes as (

    select
        events.*,
        row_number() over (
            partition by events.order_id order by events._position desc, events._event_id desc
        ) as _rank
    from (
        select *
        from {{ source('raw', 'delivery_food_orders') }}
        {{ since_watermark(source('raw', 'delivery_food_orders')) }}
    ) as events
    where events._load_type = 'poll' and {{ is_valid('delivery_food_orders') }}

)

select
    cast(order_id as {{ dbt.type_string() }}) as order_id,
    customer_name,
    restaurant_name,
    item,
    order_status,
    amount,
    cast(created_at as date) as order_date,
    created_at,
    _event_id as _raw_id,
    _position,
    _raw_overflow,
    _loaded_at,
    {{ run_timestamp() }} as _staged_at
from changes
where _rank = 1
