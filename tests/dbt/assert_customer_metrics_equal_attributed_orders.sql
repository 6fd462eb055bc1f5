-- An entity's sales, refunds and charges are those of staging whose customer is one of its records.
with

records as (

    select * from {{ ref('entity_index') }}

),

sales as (

    select
        records.entity_id,
        orders.order_id,
        orders.currency,
        orders.total_amount
    from {{ ref('stg_shopify_orders') }} as orders
    inner join records on records.source = 'shopify' and orders.customer_id = records.source_id
    where {{ is_sale() }}

),

amounts as (

    select
        entity_id,
        currency,
        order_count,
        gross_sales_amount,
        refunded_amount,
        charged_amount
    from {{ ref('customer_metrics') }}
    union all
    select
        entity_id,
        currency,
        -1 as order_count,
        -total_amount as gross_sales_amount,
        0 as refunded_amount,
        0 as charged_amount
    from sales
    union all
    select
        sales.entity_id,
        coalesce(refunds.currency, sales.currency) as currency,
        0 as order_count,
        0 as gross_sales_amount,
        -refunds.refund_amount as refunded_amount,
        0 as charged_amount
    from {{ ref('stg_shopify_refunds') }} as refunds
    inner join sales on refunds.order_id = sales.order_id
    union all
    select
        records.entity_id,
        charges.currency,
        0 as order_count,
        0 as gross_sales_amount,
        0 as refunded_amount,
        -charges.charge_amount as charged_amount
    from {{ ref('stg_stripe_charges') }} as charges
    inner join records on records.source = 'stripe' and charges.customer_id = records.source_id
    where charges.is_live and charges.status = 'succeeded'

)

select
    entity_id,
    currency,
    sum(order_count) as order_count_too_many,
    sum(gross_sales_amount) as gross_sales_amount_too_much,
    sum(refunded_amount) as refunded_amount_too_much,
    sum(charged_amount) as charged_amount_too_much
from amounts
group by entity_id, currency
having
    sum(order_count) <> 0
    or sum(gross_sales_amount) <> 0
    or sum(refunded_amount) <> 0
    or sum(charged_amount) <> 0
