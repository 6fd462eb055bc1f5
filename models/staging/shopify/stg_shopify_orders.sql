{{ config(unique_key='order_id', meta={'merge_by': 'position'}) }}

with

changes as (

    {{ latest_changes(source('raw', 'shopify_orders'), 'id', valid=is_valid('shopify_orders')) }}

)

select
    id as order_id,
    order_number,
    {{ json_value('customer', 'id') }} as customer_id,
    _account as shop_domain,
    coalesce(nullif(email, ''), nullif({{ json_value('customer', 'email') }}, '')) as email,
    coalesce(
        nullif(phone, ''),
        nullif({{ json_value('customer', 'phone') }}, ''),
        nullif({{ json_value('billing_address', 'phone') }}, ''),
        nullif({{ json_value('shipping_address', 'phone') }}, '')
    ) as phone,
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
    cast(total_discounts as decimal(18, 2)) as discount_amount,
    cast(
        {{ json_value('total_shipping_price_set', 'shop_money.amount') }} as decimal(18, 2)
    ) as shipping_amount,
    cast(json_array_length(line_items) as int) as line_item_count,
    coalesce(financial_status = 'paid', false) as is_paid,
    coalesce(fulfillment_status = 'fulfilled', false) as is_fulfilled,
    cancelled_at is not null as is_cancelled,
    not coalesce(test, false) as is_live,
    coalesce(_deleted_position, '') >= _change_position as is_deleted,
    cast(created_at as date) as order_date,
    created_at,
    updated_at,
    cancelled_at,
    _deleted_at as deleted_at,
    line_items as _line_items,
    _event_id as _raw_id,
    _change_position as _position,
    _deleted_position,
    _received_at,
    _loaded_at,
    {{ run_timestamp() }} as _staged_at
from changes
