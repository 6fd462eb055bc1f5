{{ config(unique_key=['order_id', 'line_number'], meta={'merge_by': 'position', 'copies': true}) }}

with

changes as (

    {{ database_changes(source('raw', 'shop_order_items'), ['order_id', 'line_number']) }}

)

select
    cast(order_id as {{ dbt.type_string() }}) as order_id,
    cast(product_id as {{ dbt.type_string() }}) as product_id,
    line_number,
    quantity,
    unit_price_amount,
    discount_ratio,
    _is_deleted as is_deleted,
    updated_at,
    _deleted_at as deleted_at,
    _event_id as _raw_id,
    _change_position as _position,
    _deleted_position,
    _raw_overflow,
    _loaded_at,
    {{ run_timestamp() }} as _staged_at
from changes
