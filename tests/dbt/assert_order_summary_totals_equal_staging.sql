-- Days, weeks and months each add up to the sales and refunds of staging, per currency.
with

orders as (

    select *
    from {{ ref('stg_shopify_orders') }}
    where {{ is_sale() }}

),

amounts as (

    select
        period_type,
        currency,
        order_count,
        gross_sales_amount,
        refunded_amount
    from {{ ref('order_summary') }}
    union all
    select
        period_types.period_type,
        orders.currency,
        -1 as order_count,
        -orders.total_amount as gross_sales_amount,
        0 as refunded_amount
    from orders
    cross join (values ('day'), ('week'), ('month')) as period_types (period_type)
    union all
    select
        period_types.period_type,
        coalesce(refunds.currency, orders.currency) as currency,
        0 as order_count,
        0 as gross_sales_amount,
        -refunds.refund_amount as refunded_amount
    from {{ ref('stg_shopify_refunds') }} as refunds
    inner join orders on refunds.order_id = orders.order_id
    cross join (values ('day'), ('week'), ('month')) as period_types (period_type)

)

select
    period_type,
    currency,
    sum(order_count) as order_count_too_many,
    sum(gross_sales_amount) as gross_sales_amount_too_much,
    sum(refunded_amount) as refunded_amount_too_much
from amounts
group by period_type, currency
having sum(order_count) <> 0 or sum(gross_sales_amount) <> 0 or sum(refunded_amount) <> 0
