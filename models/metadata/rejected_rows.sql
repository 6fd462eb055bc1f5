{{ config(unique_key=['_event_id', 'rule']) }}

with

rejected as (

    {{ rejected_by_rules('shopify_orders') }}
    union all
    {{ rejected_by_rules('shopify_refunds') }}
    union all
    {{ rejected_by_rules('stripe_charges') }}
    union all
    {{ rejected_by_rules('stripe_refunds') }}
    union all
    {{ rejected_by_rules('stripe_payment_intents') }}
    union all
    {{ rejected_by_rules('hubspot_contacts') }}
    union all
    {{ rejected_by_rules('hubspot_companies') }}
    union all
    {{ rejected_by_rules('delivery_food_orders', 'order_id') }}

)

select
    source_table,
    max(record_id) as record_id,
    rule,
    _event_id,
    {{ run_timestamp() }} as _built_at
from rejected
group by _event_id, rule, source_table
