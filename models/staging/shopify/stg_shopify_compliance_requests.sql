{{ config(unique_key='request_id', meta={'merge_by': 'position'}) }}

with

requests as (

    {{ latest_changes(source('raw', 'shopify_compliance'), '_position') }}

)

select
    {{ md5_hex('_position') }} as request_id,
    shop_id,
    shop_domain,
    customer_id,
    customer_email as email,
    customer_phone as phone,
    case
        when data_request is not null then 'data_request'
        when
            coalesce(customer_id, customer_email, customer_phone, orders_to_redact) is not null
            then 'customer_redact'
        else 'shop_redact'
    end as request_type,
    coalesce(orders_requested, orders_to_redact) as order_ids,
    _received_at as requested_at,
    _event_id as _raw_id,
    _change_position as _position,
    _received_at,
    _loaded_at,
    {{ run_timestamp() }} as _staged_at
from requests
