-- The entity index holds each living record of staging once, and no other but those merged away. A
-- record that its source has merged may be living in staging still, since the deletion comes later,
-- and is gone from the index once the one it was merged into is. HubSpot's is deleted in staging by
-- the merge itself, and stays in the index also where nothing is known of what it was merged into.
with

staged as (

    select
        'shopify' as source,
        customer_id as source_id
    from {{ ref('stg_shopify_customers') }}
    where not is_deleted
    union all
    select
        'stripe' as source,
        customer_id as source_id
    from {{ ref('stg_stripe_customers') }}
    where is_live and not is_deleted
    union all
    select
        'hubspot' as source,
        concat(portal_id, ':', contact_id) as source_id
    from {{ ref('stg_hubspot_contacts') }}
    where not is_deleted
    union all
    select
        'shop' as source,
        user_id as source_id
    from {{ ref('stg_shop_users') }}
    where not is_deleted

),

counted as (

    select
        source,
        source_id,
        1 as staged_count,
        0 as indexed_count,
        0 as merged_count
    from staged
    union all
    select
        source,
        source_id,
        0 as staged_count,
        1 as indexed_count,
        case when is_merged_away then 1 else 0 end as merged_count
    from {{ ref('entity_index') }}
    union all
    select
        'shopify' as source,
        customer_id as source_id,
        0 as staged_count,
        0 as indexed_count,
        1 as merged_count
    from {{ ref('stg_shopify_customer_merges') }}
    union all
    select
        'hubspot' as source,
        concat(portal_id, ':', contact_id) as source_id,
        0 as staged_count,
        0 as indexed_count,
        1 as merged_count
    from {{ ref('stg_hubspot_contacts') }}
    where merged_into_id is not null

)

select
    source,
    source_id,
    sum(staged_count) as staged_count,
    sum(indexed_count) as indexed_count
from counted
group by source, source_id
having
    sum(indexed_count) > 1
    or (sum(merged_count) = 0 and (sum(staged_count) <> 1 or sum(indexed_count) <> 1))
