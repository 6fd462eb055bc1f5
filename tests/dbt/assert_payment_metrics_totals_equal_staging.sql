-- Charges by day add up to the live charges of staging, per currency and status.
with

amounts as (

    select
        currency,
        status,
        charge_count,
        charged_amount,
        refunded_amount
    from {{ ref('payment_metrics') }}
    union all
    select
        currency,
        coalesce(status, 'unknown') as status,
        -1 as charge_count,
        -charge_amount as charged_amount,
        -refunded_amount as refunded_amount
    from {{ ref('stg_stripe_charges') }}
    where is_live

)

select
    currency,
    status,
    sum(charge_count) as charge_count_too_many,
    sum(charged_amount) as charged_amount_too_much,
    sum(refunded_amount) as refunded_amount_too_much
from amounts
group by currency, status
having sum(charge_count) <> 0 or sum(charged_amount) <> 0 or sum(refunded_amount) <> 0
