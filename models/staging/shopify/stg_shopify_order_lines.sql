{{ config(unique_key=['order_id', 'order_line_id'], meta={'recompute': ['order_id']}) }}

with

changed as (

    select *
    from {{ ref('stg_shopify_orders') }}
    {{ since_watermark(ref('stg_shopify_orders'), '_staged_at') }}

),

gone as (

    {{ keys_no_more(ref('stg_shopify_orders'), 'order_id') }}

),

-- An order that is no more has no lines, as one without any.
orders as (

    select
        coalesce(changed.order_id, gone.order_id) as order_id,
        changed.currency,
        changed.is_cancelled,
        changed.is_live,
        changed.is_deleted,
        changed.order_date,
        changed._line_items
    from changed
    full outer join gone on changed.order_id = gone.order_id

),

lines as (

    select
        orders.*,
        line_rows.line,
        line_rows.line_number,
        case
            when {{ is_readable_line('line') }}
                then {{ json_value('line', 'id') }}
        end as order_line_id
    from orders
    {{ element_rows(json_elements('_line_items'), 'line') }}

),

ranked as (

    select
        *,
        row_number() over (partition by order_id, order_line_id order by line_number) as _rank
    from lines

)

select
    order_line_id,
    order_id,
    {{ json_value('line', 'product_id') }} as product_id,
    {{ json_value('line', 'variant_id') }} as variant_id,
    {{ json_value('line', 'sku') }} as sku,
    {{ json_value('line', 'title') }} as title,
    {{ json_value('line', 'variant_title') }} as variant_title,
    {{ json_value('line', 'vendor') }} as vendor,
    currency,
    try_cast({{ json_value('line', 'price') }} as decimal(18, 2)) as unit_price_amount,
    {{ line_discount('line') }} as discount_amount,
    {{ line_tax('line') }} as tax_amount,
    try_cast({{ json_value('line', 'quantity') }} as bigint) as item_count,
    coalesce({{ json_value('line', 'gift_card') }} = 'true', false) as is_gift_card,
    is_cancelled,
    is_live,
    is_deleted,
    order_date,
    {{ run_timestamp() }} as _staged_at
from ranked
where _rank = 1
