{{ config(unique_key='order_id', meta={'merge_by': 'position', 'copies': true}) }}

with

changes as (

    {{ database_changes(source('raw', 'shop_food_orders'), 'order_id') }}

)

select
    cast(order_id as {{ dbt.type_string() }}) as order_id,
    customer_name,
    restaurant_name,
    item,
    order_status,
    amount,
    _is_deleted as is_deleted,
    created_at,
    _deleted_at as deleted_at,
    _event_id as _raw_id,
    _change_position as _position,
    _deleted_position,
    _raw_overflow,
    _loaded_at,
    {{ run_timestamp() }} as _staged_at
from changes
