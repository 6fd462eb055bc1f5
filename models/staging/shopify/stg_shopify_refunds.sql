{{ config(unique_key='refund_id', meta={'merge_by': 'position'}) }}

with

changes as (

    {{ latest_changes(source('raw', 'shopify_refunds'), 'id', valid=is_valid('shopify_refunds')) }}

),

refunds as (

    select
        *,
        {{ refund_transactions('transactions') }} as _refund_transactions
    from changes

)

select
    id as refund_id,
    order_id,
    _account as shop_domain,
    {{ currency_of('_refund_transactions') }} as currency,
    note,
    coalesce(
        {{ sum_of_elements(succeeded_only('_refund_transactions'), 'amount') }}, 0
    ) as refund_amount,
    coalesce(restock, false) as is_restocked,
    created_at,
    processed_at,
    _event_id as _raw_id,
    _change_position as _position,
    _received_at,
    _loaded_at,
    {{ run_timestamp() }} as _staged_at
from refunds
