{{ config(unique_key='payment_id', meta={'merge_by': 'position', 'copies': true}) }}

with

changes as (

    {{ database_changes(source('raw', 'shop_payments'), 'payment_id') }}

)

select
    payment_id,
    cast(order_id as {{ dbt.type_string() }}) as order_id,
    method,
    status,
    currency,
    failure_reason,
    amount,
    _is_deleted as is_deleted,
    paid_at,
    created_at,
    updated_at,
    _deleted_at as deleted_at,
    _event_id as _raw_id,
    _change_position as _position,
    _deleted_position,
    _raw_overflow,
    _loaded_at,
    {{ run_timestamp() }} as _staged_at
from changes
