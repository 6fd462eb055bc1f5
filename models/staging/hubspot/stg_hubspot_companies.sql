{{ config(unique_key=['portal_id', 'company_id']) }}

with

properties as (

    {{ touched_properties(ref('stg_hubspot_company_properties'), 'company_id') }}

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
