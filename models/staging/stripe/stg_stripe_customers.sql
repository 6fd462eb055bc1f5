{{ config(unique_key='customer_id', meta={'merge_by': 'position'}) }}

with

changes as (

    {{ latest_changes(
        source('raw', 'stripe_customers'), 'id', deletes_are_states=true, deleted_at='_source_at'
    ) }}

)

select
    id as customer_id,
    _account as account_id,
    nullif(email, '') as email,
    nullif(phone, '') as phone,
    name as full_name,
    {{ json_value('address', 'line1') }} as address,
    {{ json_value('address', 'city') }} as city,
    {{ json_value('address', 'state') }} as state,
    {{ json_value('address', 'country') }} as country,
    {{ json_value('address', 'postal_code') }} as postal_code,
    upper(currency) as currency,
    coalesce(delinquent, false) as is_delinquent,
    coalesce(livemode, false) as is_live,
    coalesce(_deleted_position, '') >= _change_position as is_deleted,
    created as created_at,
    _source_at as updated_at,
    _deleted_at as deleted_at,
    _event_id as _raw_id,
    _change_position as _position,
    _deleted_position,
    _received_at,
    _loaded_at,
    {{ run_timestamp() }} as _staged_at
from changes
