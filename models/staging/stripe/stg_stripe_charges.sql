{{ config(unique_key='charge_id', meta={'merge_by': 'position'}) }}

with

changes as (

    {{ latest_changes(source('raw', 'stripe_charges'), 'id', valid=is_valid('stripe_charges')) }}

),

currencies as (

    select
        currency,
        stripe_digits as digits
    from {{ ref('currencies') }}

)

select
    changes.id as charge_id,
    changes.customer as customer_id,
    changes.payment_intent as payment_intent_id,
    changes._account as account_id,
    coalesce(
        nullif({{ json_value('changes.billing_details', 'email') }}, ''), changes.receipt_email
    ) as email,
    nullif({{ json_value('changes.billing_details', 'phone') }}, '') as phone,
    {{ json_value('changes.billing_details', 'name') }} as billing_name,
    currencies.currency,
    changes.status,
    changes.failure_code,
    {{ from_minor_units('changes.amount', 'currencies.digits') }} as charge_amount,
    {{ from_minor_units('changes.amount_captured', 'currencies.digits') }} as captured_amount,
    {{ from_minor_units('changes.amount_refunded', 'currencies.digits') }} as refunded_amount,
    changes.amount as charge_amount_minor,
    changes.amount_captured as captured_amount_minor,
    changes.amount_refunded as refunded_amount_minor,
    coalesce(changes.paid and changes.status = 'succeeded', false) as is_paid,
    coalesce(changes.captured, false) as is_captured,
    coalesce(changes.refunded, false) as is_refunded,
    coalesce(changes.disputed, false) as is_disputed,
    coalesce(changes.livemode, false) as is_live,
    changes.created as created_at,
    changes._event_id as _raw_id,
    changes._change_position as _position,
    changes._received_at,
    changes._loaded_at,
    {{ run_timestamp() }} as _staged_at
from changes
inner join currencies on upper(changes.currency) = currencies.currency
