{{ config(unique_key='order_id', meta={'merge_by': 'position'}) }}

with

changes as (

    {{ latest_changes(source('raw', 'shopify_orders'), 'id') }}

)

select
    id as order_id,
    order_number,
    {{ json_value('customer', 'id') }} as customer_id,
    email,
    phone,
    upper(currency) as currency,
    financial_status,
    fulfillment_status,
    {{ json_value('shipping_address', 'city') }} as shipping_city,
    {{ json_value('shipping_address', 'province') }} as shipping_state,
    {{ json_value('shipping_address', 'country') }} as shipping_country,
    {{ json_value('billing_address', 'city') }} as billing_city,
    {{ json_value('billing_address', 'province') }} as billing_state,
    {{ json_value('billing_address', 'country') }} as billing_country,
    cast(total_price as decimal(18, 2)) as total_amount,
    cast(subtotal_price as decimal(18, 2)) as subtotal_amount,
    cast(total_tax as decimal(18, 2)) as tax_amount,
    cast(json_array_length(line_items) as int) as line_item_count,
    coalesce(financial_status = 'paid', false) as is_paid,
    coalesce(fulfillment_status = 'fulfilled', false) as is_fulfilled,
    coalesce(_deleted_position, '') > _change_position as is_deleted,
    cast(created_at as date) as order_date,
    created_at,
    updated_at,
    _deleted_at as deleted_at,
    _event_id as _raw_id,
    _change_position as _position,
    _deleted_position,
    _loaded_at,
    {{ run_timestamp() }} as _staged_at
from changes
