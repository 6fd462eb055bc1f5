{{ config(unique_key='restaurant_id', meta={'merge_by': 'position', 'copies': true}) }}

with

changes as (

    {{ database_changes(source('raw', 'shop_restaurants'), 'restaurant_id') }}

)

select
    cast(restaurant_id as {{ dbt.type_string() }}) as restaurant_id,
    restaurant_name,
    city,
    time_zone,
    opens_at,
    rating,
    seats,
    _is_deleted as is_deleted,
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
