{{ config(unique_key='entity_id', meta={'gone_without': 'record_count'}) }}

with

touched as (

    {{ changed_keys(ref('entity_index'), 'source, source_id', 'entity_id') }}
    union distinct
    {{ changed_keys(ref('customer_metrics'), 'entity_id, currency', 'entity_id') }}

),

records as (

    select
        records.*,
        not coalesce(records.is_merged_away, false) as is_counted,
        {{ record_precedence('coalesce(records.is_merged_away, false)') }} as precedence
    from {{ ref('entity_index') }} {{ pinned(ref('entity_index')) }} as records
    inner join touched on records.entity_id = touched.entity_id

),

profiles as (

    select
        entity_id,
        min_by(first_name, precedence) filter (where first_name is not null) as first_name,
        min_by(last_name, precedence) filter (where last_name is not null) as last_name,
        min_by(full_name, precedence) filter (where full_name is not null) as full_name,
        min_by(email_normalized, precedence) filter (where email_normalized is not null) as email,
        {{ joined_values('email_normalized') }} as emails,
        min_by(phone_normalized, precedence) filter (where phone_normalized is not null) as phone,
        {{ joined_values('phone_normalized') }} as phones,
        {{ joined_values('source') }} as sources,
        count(*) filter (where is_counted) as record_count,
        count(*) filter (where is_counted and source = 'shopify') as shopify_record_count,
        count(*) filter (where is_counted and source = 'stripe') as stripe_record_count,
        count(*) filter (where is_counted and source = 'hubspot') as hubspot_record_count,
        count(*) filter (where is_counted and source = 'shop') as shop_record_count,
        count(distinct source) as source_count
    from records
    group by entity_id

),

metrics as (

    select
        metrics.*,
        row_number() over (
            partition by metrics.entity_id order by metrics.order_count desc, metrics.currency asc
        ) as currency_rank,
        count(*) over (partition by metrics.entity_id) as currency_count,
        sum(metrics.order_count) over (partition by metrics.entity_id) as order_count_of_all,
        min(metrics.first_order_at) over (partition by metrics.entity_id) as first_order_at_of_all,
        max(metrics.last_order_at) over (partition by metrics.entity_id) as last_order_at_of_all
    from {{ ref('customer_metrics') }} {{ pinned(ref('customer_metrics')) }} as metrics
    inner join touched on metrics.entity_id = touched.entity_id

)

-- An entity that has no records any more is a row without a record_count: it leaves the mart.
select
    touched.entity_id,
    profiles.first_name,
    profiles.last_name,
    profiles.full_name,
    profiles.email,
    profiles.emails,
    profiles.phone,
    profiles.phones,
    profiles.sources,
    metrics.currency,
    metrics.gross_sales_amount,
    metrics.refunded_amount,
    metrics.net_sales_amount,
    cast(
        metrics.gross_sales_amount / nullif(metrics.order_count, 0) as decimal(18, 2)
    ) as average_order_amount,
    metrics.charged_amount,
    profiles.record_count,
    profiles.shopify_record_count,
    profiles.stripe_record_count,
    profiles.hubspot_record_count,
    profiles.shop_record_count,
    coalesce(metrics.order_count_of_all, 0) as order_count,
    profiles.source_count > 1 as is_multi_source,
    coalesce(metrics.order_count_of_all, 0) > 1 as is_repeat_customer,
    coalesce(metrics.currency_count, 0) > 1 as has_other_currencies,
    metrics.first_order_at_of_all as first_order_at,
    metrics.last_order_at_of_all as last_order_at,
    {{ run_timestamp() }} as _built_at
from touched
left join profiles on touched.entity_id = profiles.entity_id
left join metrics on touched.entity_id = metrics.entity_id and metrics.currency_rank = 1
