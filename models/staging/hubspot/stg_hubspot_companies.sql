{{ config(unique_key=['portal_id', 'company_id']) }}

with

touched as (

    select distinct
        portal_id,
        company_id
    from {{ ref('stg_hubspot_company_properties') }}
    {{ since_watermark(ref('stg_hubspot_company_properties'), '_staged_at') }}

),

gone as (

    {{ keys_no_more(ref('stg_hubspot_company_properties'), 'portal_id, company_id') }}

),

-- Of a company that nothing is known of any more, a row without a property.
properties as (

    select
        known.portal_id,
        known.company_id,
        known.property_name,
        known.property_value,
        known.occurred_at,
        known._position,
        known._loaded_at
    from
        {{ ref('stg_hubspot_company_properties') }}
        {{ pinned(ref('stg_hubspot_company_properties')) }} as known
    inner join touched
        on known.portal_id = touched.portal_id and known.company_id = touched.company_id
    union all
    select
        portal_id,
        company_id,
        null as property_name,
        null as property_value,
        null as occurred_at,
        null as _position,
        null as _loaded_at
    from gone

),

folded as (

    select
        portal_id,
        company_id,
        {{ property_value_of('name') }} as name,
        {{ property_value_of('domain') }} as domain,
        {{ property_value_of('phone') }} as phone,
        {{ property_value_of('city') }} as city,
        {{ property_value_of('state') }} as state,
        {{ property_value_of('country') }} as country,
        {{ property_value_of('industry') }} as industry,
        {{ property_value_of('_merged_into') }} as merged_into_id,
        {{ is_removed() }} as _is_removed,
        {{ property_time_of('_created') }} as created_at,
        max(occurred_at) as updated_at,
        {{ property_time_of('_deleted') }} as _removed_at,
        {{ property_time_of('_merged_into') }} as _merged_at,
        max(_position) as _position,
        max(_loaded_at) as _loaded_at
    from properties
    group by portal_id, company_id

)

select
    portal_id,
    company_id,
    merged_into_id,
    name,
    domain,
    phone,
    city,
    state,
    country,
    industry,
    _is_removed or _merged_at is not null or _position is null as is_deleted,
    created_at,
    updated_at,
    coalesce(_merged_at, case when _is_removed then _removed_at end) as deleted_at,
    true as _is_partial,
    _position,
    _loaded_at,
    {{ run_timestamp() }} as _staged_at
from folded
