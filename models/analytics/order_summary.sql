{{ config(
    unique_key=['period_type', 'period_start', 'currency'],
    meta={'recompute': ['period_type', 'period_start']},
) }}

with

orders as (

    select *
    from {{ ref('stg_shopify_orders') }} {{ pinned(ref('stg_shopify_orders')) }}
    where {{ is_sale() }}

),

refunds as (

    select
        *,
        cast(coalesce(processed_at, created_at) as date) as refund_date
    from {{ ref('stg_shopify_refunds') }} {{ pinned(ref('stg_shopify_refunds')) }}
    where refund_amount > 0

),

changed_orders as (

    {{ changed_keys(
        ref('stg_shopify_orders'), 'order_id', 'order_id, order_date', stamp='_staged_at', by='stamp'
    ) }}

),

touched_days as (

    select order_date as day
    from changed_orders
    union distinct
    select refunds.refund_date as day
    from refunds
    inner join changed_orders on refunds.order_id = changed_orders.order_id
    union distinct
    select cast(coalesce(processed_at, created_at) as date) as day
    from (
        {{ changed_keys(
            ref('stg_shopify_refunds'), 'refund_id', 'processed_at, created_at',
            stamp='_staged_at', by='stamp'
        ) }}
    ) as changed_refunds

),

period_types as (

    select 'day' as period_type
    union all
    select 'week' as period_type
    union all
    select 'month' as period_type

),

touched as (

    select distinct
        period_types.period_type,
        {{ period_start('period_types.period_type', 'touched_days.day') }} as period_start
    from touched_days
    cross join period_types
    where touched_days.day is not null

),

amounts as (

    select
        order_date as day,
        currency,
        1 as order_count,
        total_amount as gross_sales_amount,
        0 as refunded_amount
    from orders
    union all
    select
        refunds.refund_date as day,
        coalesce(refunds.currency, orders.currency) as currency,
        0 as order_count,
        0 as gross_sales_amount,
        refunds.refund_amount as refunded_amount
    from refunds
    inner join orders on refunds.order_id = orders.order_id

),

days as (

    select
        day,
        currency,
        sum(order_count) as order_count,
        sum(gross_sales_amount) as gross_sales_amount,
        sum(refunded_amount) as refunded_amount
    from amounts
    group by day, currency

),

period_days as (

    select
        days.*,
        period_types.period_type,
        {{ period_start('period_types.period_type', 'days.day') }} as period_start
    from days
    cross join period_types

)

-- A touched period without any amount is a row without currency: the rows it had are deleted.
select
    touched.period_type,
    touched.period_start,
    period_days.currency,
    sum(period_days.order_count) as order_count,
    cast(sum(period_days.gross_sales_amount) as decimal(18, 2)) as gross_sales_amount,
    cast(sum(period_days.refunded_amount) as decimal(18, 2)) as refunded_amount,
    cast(
        sum(period_days.gross_sales_amount - period_days.refunded_amount) as decimal(18, 2)
    ) as net_sales_amount,
    -- Divided as it is stored: of a wider number Spark would keep six decimals, and round twice.
    cast(
        cast(sum(period_days.gross_sales_amount) as decimal(18, 2))
        / nullif(sum(period_days.order_count), 0)
        as decimal(18, 2)
    ) as average_order_amount,
    {{ run_timestamp() }} as _built_at
from touched
left join period_days
    on
        touched.period_type = period_days.period_type
        and touched.period_start = period_days.period_start
group by touched.period_type, touched.period_start, period_days.currency
