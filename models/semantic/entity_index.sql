{{ config(
    unique_key=['source', 'source_id'],
    full_refresh=false,
    post_hook="{{ drop_steps(['changed', 'records'] + label_steps()) }}",
    meta={'gone_without': 'entity_id', 'stamps': ['updated_at']},
) }}

{%- set unread_records -%}
    select
        'shopify' as source,
        customer_id as source_id,
        email,
        phone,
        first_name,
        last_name,
        nullif(concat_ws(' ', first_name, last_name), '') as full_name,
        not is_deleted as is_living
    from {{ ref('stg_shopify_customers') }}
    {{ since_watermark(ref('stg_shopify_customers'), '_staged_at') }}
    union all
    select
        'stripe' as source,
        customer_id as source_id,
        email,
        phone,
        cast(null as {{ dbt.type_string() }}) as first_name,
        cast(null as {{ dbt.type_string() }}) as last_name,
        full_name,
        is_live and not is_deleted as is_living
    from {{ ref('stg_stripe_customers') }}
    {{ since_watermark(ref('stg_stripe_customers'), '_staged_at') }}
    union all
    select
        'hubspot' as source,
        concat(portal_id, ':', contact_id) as source_id,
        email,
        phone,
        first_name,
        last_name,
        nullif(concat_ws(' ', first_name, last_name), '') as full_name,
        not is_deleted as is_living
    from {{ ref('stg_hubspot_contacts') }}
    {{ since_watermark(ref('stg_hubspot_contacts'), '_staged_at') }}
{%- endset -%}

{#- Only changed records, their entities and the entities they match now are resolved again. -#}
{%- set changed = cached_step('changed', matchable_records(unread_records)) -%}
{%- set records = cached_step('records', affected_records(changed)) -%}
{%- set is_small = execute and is_building() and rows_where(records, 'true') <= 10000 -%}
{%- set components = connected_components(record_links(records, is_small)) -%}

{%- set members -%}
    select {{ in_one_task(is_small) }}
        records.*,
        coalesce(components.component_key, records.record_key) as component_key,
        coalesce(components.match_confidence, 1) as match_confidence,
        case when records.is_living then records.stored_entity_id end as claimed_entity_id
    from {{ records }} as records
    left join {{ components }} as components on records.record_key = components.record_key
{%- endset -%}

{{ reads(unread_records) }}
with

resolved as (

    {{ kept_entity_ids(members) }}

)

-- A record that is no longer living has no entity_id, and leaves the index.
select
    case
        when is_living
            then coalesce(kept_entity_id, {{ new_entity_id('component_key') }})
    end as entity_id,
    source,
    source_id,
    email,
    email_normalized,
    phone,
    phone_normalized,
    first_name,
    last_name,
    full_name,
    cast(match_confidence as decimal(5, 2)) as match_confidence,
    coalesce(stored_created_at, {{ run_timestamp() }}) as created_at,
    {{ run_timestamp() }} as updated_at,
    {{ run_timestamp() }} as _built_at
from resolved
