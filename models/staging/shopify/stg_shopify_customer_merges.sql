{{ config(unique_key='customer_id', meta={'merge_by': 'position'}) }}

with

merges as (

    {{ latest_changes(
        source('raw', 'shopify_customer_merges'),
        'admin_graphql_api_customer_deleted_id',
        valid="lower(events.status) = 'completed'"
        ~ ' and events.admin_graphql_api_customer_kept_id <> events.admin_graphql_api_customer_deleted_id',
    ) }}

)

select
    split_part(admin_graphql_api_customer_deleted_id, '/', 5) as customer_id,
    split_part(admin_graphql_api_customer_kept_id, '/', 5) as merged_into_id,
    _account as shop_domain,
    _event_id as _raw_id,
    _change_position as _position,
    _received_at,
    _loaded_at,
    {{ run_timestamp() }} as _staged_at
from merges
