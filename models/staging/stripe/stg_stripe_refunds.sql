{{ config(unique_key='refund_id', meta={'merge_by': 'position'}) }}

with

changes as (

    {{ latest_changes(source('raw', 'stripe_refunds'), 'id', valid=is_valid('stripe_refunds')) }}

),

currencies as (

    select
        currency,
        stripe_digits as digits
    from {{ ref('currencies') }}

)

select
    changes.id as refund_id,
    changes.charge as charge_id,
    changes.payment_intent as payment_intent_id,
    changes._account as account_id,
    currencies.currency,
    changes.status,
    changes.reason,
    changes.failure_reason,
    {{ from_minor_units('changes.amount', 'currencies.digits') }} as refund_amount,
    changes.amount as refund_amount_minor,
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
