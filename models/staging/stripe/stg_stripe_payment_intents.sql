{{ config(unique_key='payment_intent_id', meta={'merge_by': 'position'}) }}

with

changes as (

    {{ latest_changes(
        source('raw', 'stripe_payment_intents'), 'id', valid=is_valid('stripe_payment_intents')
    ) }}

),

currencies as (

    select
        currency,
        stripe_digits as digits
    from {{ ref('currencies') }}

)

select
    changes.id as payment_intent_id,
    changes.customer as customer_id,
    changes.latest_charge as charge_id,
    changes._account as account_id,
    changes.receipt_email as email,
    currencies.currency,
    changes.status,
    {{ from_minor_units('changes.amount', 'currencies.digits') }} as payment_amount,
    {{ from_minor_units('changes.amount_received', 'currencies.digits') }} as received_amount,
    changes.amount as payment_amount_minor,
    changes.amount_received as received_amount_minor,
    coalesce(changes.status = 'succeeded', false) as is_succeeded,
    coalesce(changes.livemode, false) as is_live,
    changes.created as created_at,
    changes._event_id as _raw_id,
    changes._change_position as _position,
    changes._received_at,
    changes._loaded_at,
    {{ run_timestamp() }} as _staged_at
from changes
inner join currencies on upper(changes.currency) = currencies.currency
