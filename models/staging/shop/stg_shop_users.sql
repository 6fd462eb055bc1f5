{{ config(unique_key='user_id', meta={'merge_by': 'position', 'copies': true}) }}

with

changes as (

    {{ database_changes(source('raw', 'shop_users'), 'user_id') }}

)

select
    cast(user_id as {{ dbt.type_string() }}) as user_id,
    email,
    full_name,
    phone,
    country,
    preferences,
    credit_amount,
    is_active,
    _is_deleted as is_deleted,
    birth_date,
    created_at,
    updated_at,
    deleted_at as source_deleted_at,
    _deleted_at as deleted_at,
    _event_id as _raw_id,
    _change_position as _position,
    _deleted_position,
    _raw_overflow,
    _loaded_at,
    {{ run_timestamp() }} as _staged_at
from changes
