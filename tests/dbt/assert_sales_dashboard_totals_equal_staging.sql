-- The dashboard's days add up to the sales, refunds and succeeded charges of staging, per currency.
with

orders as (

    select *
    from {{ ref('stg_shopify_orders') }}
    where {{ is_sale() }}

),

amounts as (

    select
        currency,
        order_count,
        gross_sales_amount,
        refunded_amount,
        charge_count,
        charged_amount
    from {{ ref('sales_dashboard_daily') }}
    union all
    select
        currency,
        -1 as order_count,
        -total_amount as gross_sales_amount,
        0 as refunded_amount,
        0 as charge_count,
        0 as charged_amount
    from orders
    union all
    select
        coalesce(refunds.currency, orders.currency) as currency,
        0 as order_count,
        0 as gross_sales_amount,
        -refunds.refund_amount as refunded_amount,
        0 as charge_count,
        0 as charged_amount
    from {{ ref('stg_shopify_refunds') }} as refunds
    inner join orders on refunds.order_id = orders.order_id
    union all
    select
        currency,
        0 as order_count,
        0 as gross_sales_amount,
        0 as refunded_amount,
        -1 as charge_count,
        -charge_amount as charged_amount
    from {{ ref('stg_stripe_charges') }}
    where is_live and status = 'succeeded'

)

select
    currency,
    sum(order_count) as order_count_too_many,
    sum(gross_sales_amount) as gross_sales_amount_too_much,
    sum(refunded_amount) as refunded_amount_too_much,
    sum(charge_count) as charge_count_too_many,
    sum(charged_amount) as charged_amount_too_much
from amounts
group by currency
having
    sum(order_count) <> 0
    or sum(gross_sales_amount) <> 0
    or sum(refunded_amount) <> 0
    or sum(charge_count) <> 0
    or sum(charged_amount) <> 0
