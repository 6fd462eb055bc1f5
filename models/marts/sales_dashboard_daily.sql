{{ config(unique_key=['order_date', 'currency'], meta={'recompute': ['order_date']}) }}

with

touched as (

    select period_start as order_date
    from (
        {{ changed_keys(
            ref('order_summary'), 'period_type, period_start, currency', 'period_start'
        ) }}
    ) as changed_periods
    union distinct
    select payment_date as order_date
    from (
        {{ changed_keys(
            ref('payment_metrics'), 'payment_date, currency, status', 'payment_date'
        ) }}
    ) as changed_payments

),

orders as (

    select
        *,
        period_start as order_date
    from {{ ref('order_summary') }} {{ pinned(ref('order_summary')) }}
    where period_type = 'day'

),

payments as (

    select
        *,
        payment_date as order_date
    from {{ ref('payment_metrics') }} {{ pinned(ref('payment_metrics')) }}
    where status = 'succeeded'

),

days as (

    select
        coalesce(orders.order_date, payments.order_date) as order_date,
        coalesce(orders.currency, payments.currency) as currency,
        coalesce(orders.gross_sales_amount, 0) as gross_sales_amount,
        coalesce(orders.refunded_amount, 0) as refunded_amount,
        coalesce(orders.net_sales_amount, 0) as net_sales_amount,
        orders.average_order_amount,
        coalesce(payments.charged_amount, 0) as charged_amount,
        coalesce(orders.order_count, 0) as order_count,
        coalesce(payments.charge_count, 0) as charge_count
    from orders
    full outer join payments
        on orders.order_date = payments.order_date and orders.currency = payments.currency

)

-- A touched day on which nothing happened is a row without currency: the rows it had are deleted.
select
    touched.order_date,
    days.currency,
    days.gross_sales_amount,
    days.refunded_amount,
    days.net_sales_amount,
    days.average_order_amount,
    days.charged_amount,
    days.order_count,
    days.charge_count,
    {{ run_timestamp() }} as _built_at
from touched
left join days on touched.order_date = days.order_date
