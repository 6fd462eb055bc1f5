{{ config(unique_key=['entity_id', 'currency'], meta={'recompute': ['entity_id']}) }}

with

records as (

    select * from {{ ref('entity_index') }} {{ pinned(ref('entity_index')) }}

),

orders as (

    select *
    from {{ ref('stg_shopify_orders') }} {{ pinned(ref('stg_shopify_orders')) }}
    where {{ is_sale() }}

),

refunds as (

    select *
    from {{ ref('stg_shopify_refunds') }} {{ pinned(ref('stg_shopify_refunds')) }}
    where refund_amount > 0

),

charges as (

    select *
    from {{ ref('stg_stripe_charges') }} {{ pinned(ref('stg_stripe_charges')) }}
    where is_live and status = 'succeeded'

),

refunded_orders as (

    {{ changed_keys(
        ref('stg_shopify_refunds'), 'refund_id', 'order_id', stamp='_staged_at', by='stamp'
    ) }}

),

touched_records as (

    select
        'shopify' as source,
        customer_id as source_id
    from (
        {{ changed_keys(
            ref('stg_shopify_orders'), 'order_id', 'customer_id', stamp='_staged_at', by='stamp'
        ) }}
        union distinct
        select orders.customer_id
        from orders
        inner join refunded_orders on orders.order_id = refunded_orders.order_id
    ) as buyers
    union distinct
    select
        'stripe' as source,
        customer_id as source_id
    from (
        {{ changed_keys(
            ref('stg_stripe_charges'), 'charge_id', 'customer_id', stamp='_staged_at', by='stamp'
        ) }}
    ) as payers

),

touched as (

    {{ changed_keys(ref('entity_index'), 'source, source_id', 'entity_id') }}
    union distinct
    select records.entity_id
    from records
    inner join touched_records
        on
            records.source = touched_records.source
            and records.source_id = touched_records.source_id

),

members as (

    select records.*
    from records
    inner join touched on records.entity_id = touched.entity_id

),

sales as (

    select
        members.entity_id,
        orders.order_id,
        orders.currency,
        orders.total_amount,
        orders.created_at
    from members
    inner join orders on members.source = 'shopify' and members.source_id = orders.customer_id

),

amounts as (

    select
        entity_id,
        currency,
        1 as order_count,
        total_amount as gross_sales_amount,
        0 as refunded_amount,
        0 as charged_amount,
        created_at as ordered_at
    from sales
    union all
    select
        sales.entity_id,
        coalesce(refunds.currency, sales.currency) as currency,
        0 as order_count,
        0 as gross_sales_amount,
        refunds.refund_amount as refunded_amount,
        0 as charged_amount,
        null as ordered_at
    from sales
    inner join refunds on sales.order_id = refunds.order_id
    union all
    select
        members.entity_id,
        charges.currency,
        0 as order_count,
        0 as gross_sales_amount,
        0 as refunded_amount,
        charges.charge_amount as charged_amount,
        null as ordered_at
    from members
    inner join charges on members.source = 'stripe' and members.source_id = charges.customer_id

)

-- A touched entity without any amount is a row without currency: the rows it had are deleted.
select
    touched.entity_id,
    amounts.currency,
    sum(amounts.order_count) as order_count,
    cast(sum(amounts.gross_sales_amount) as decimal(18, 2)) as gross_sales_amount,
    cast(sum(amounts.refunded_amount) as decimal(18, 2)) as refunded_amount,
    cast(
        sum(amounts.gross_sales_amount - amounts.refunded_amount) as decimal(18, 2)
    ) as net_sales_amount,
    cast(sum(amounts.charged_amount) as decimal(18, 2)) as charged_amount,
    min(amounts.ordered_at) as first_order_at,
    max(amounts.ordered_at) as last_order_at,
    {{ run_timestamp() }} as _built_at
from touched
left join amounts on touched.entity_id = amounts.entity_id
group by touched.entity_id, amounts.currency
