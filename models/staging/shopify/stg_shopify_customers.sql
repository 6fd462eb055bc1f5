{{ config(unique_key='customer_id', meta={'merge_by': 'position'}) }}

with

changes as (

    {{ latest_changes(source('raw', 'shopify_customers'), 'id') }}

)

select
    id as customer_id,
    _account as shop_domain,
    nullif(email, '') as email,
    coalesce(
        nullif(phone, ''), nullif({{ json_value('default_address', 'phone') }}, '')
    ) as phone,
    coalesce(
        nullif(first_name, ''), {{ json_value('default_address', 'first_name') }}
    ) as first_name,
    coalesce(
        nullif(last_name, ''), {{ json_value('default_address', 'last_name') }}
    ) as last_name,
    {{ json_value('default_address', 'address1') }} as address,
    {{ json_value('default_address', 'city') }} as city,
    {{ json_value('default_address', 'province') }} as state,
    {{ json_value('default_address', 'country') }} as country,
    {{ json_value('default_address', 'zip') }} as postal_code,
    upper(currency) as currency,
    state as account_status,
    tags,
    coalesce(verified_email, false) as has_verified_email,
    coalesce(tax_exempt, false) as is_tax_exempt,
    coalesce(_deleted_position, '') >= _change_position as is_deleted,
    created_at,
    updated_at,
    _deleted_at as deleted_at,
    _event_id as _raw_id,
    _change_position as _position,
    _deleted_position,
    _received_at,
    _loaded_at,
    {{ run_timestamp() }} as _staged_at
from changes
