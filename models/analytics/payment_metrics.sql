{{ config(
    unique_key=['payment_date', 'currency', 'status'],
    meta={'recompute': ['payment_date']},
) }}

with

touched as (

    select distinct cast(created_at as date) as payment_date
    from (
        {{ changed_keys(
            ref('stg_stripe_charges'), 'charge_id', 'created_at', stamp='_staged_at', by='stamp'
        ) }}
    ) as changed_charges
    where created_at is not null

),

charges as (

    select
        charge_id,
        currency,
        coalesce(status, 'unknown') as status,
        charge_amount,
        coalesce(refunded_amount, 0) as refunded_amount,
        cast(created_at as date) as payment_date
    from {{ ref('stg_stripe_charges') }} {{ pinned(ref('stg_stripe_charges')) }}
    where is_live

)

-- A touched day without charges is a row without currency: the rows it had are deleted.
select
    touched.payment_date,
    charges.currency,
    charges.status,
    count(charges.charge_id) as charge_count,
    cast(sum(charges.charge_amount) as decimal(18, 2)) as charged_amount,
    cast(sum(charges.refunded_amount) as decimal(18, 2)) as refunded_amount,
    cast(sum(charges.charge_amount - charges.refunded_amount) as decimal(18, 2)) as net_amount,
    {{ run_timestamp() }} as _built_at
from touched
left join charges on touched.payment_date = charges.payment_date
group by touched.payment_date, charges.currency, charges.status
