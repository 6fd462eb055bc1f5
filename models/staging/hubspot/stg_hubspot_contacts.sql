{{ config(unique_key=['portal_id', 'contact_id']) }}

with

properties as (

    {{ touched_properties(ref('stg_hubspot_contact_properties'), 'contact_id') }}

),

folded as (

    select
        portal_id,
        contact_id,
        {{ property_value_of('email') }} as email,
        coalesce(
            {{ property_value_of('phone') }},
            {{ property_value_of('mobilephone') }}
        ) as phone,
        {{ property_value_of('firstname') }} as first_name,
        {{ property_value_of('lastname') }} as last_name,
        {{ property_value_of('company') }} as company,
        {{ property_value_of('address') }} as address,
        {{ property_value_of('city') }} as city,
        {{ property_value_of('zip') }} as postal_code,
        {{ property_value_of('country') }} as country,
        {{ property_value_of('lifecyclestage') }} as lifecycle_stage,
        {{ property_value_of('_merged_into') }} as merged_into_id,
        {{ is_removed() }} as _is_removed,
        {{ property_time_of('_created') }} as created_at,
        max(occurred_at) as updated_at,
        {{ property_time_of('_deleted') }} as _removed_at,
        {{ property_time_of('_merged_into') }} as _merged_at,
        {{ property_time_of('_erased') }} as _erased_at,
        max(_position) as _position,
        max(_loaded_at) as _loaded_at
    from properties
    group by portal_id, contact_id

)

select
    portal_id,
    contact_id,
    merged_into_id,
    email,
    phone,
    first_name,
    last_name,
    company,
    address,
    city,
    postal_code,
    country,
    lifecycle_stage,
    _is_removed
    or _merged_at is not null
    or _erased_at is not null
    or _position is null as is_deleted,
    _erased_at is not null as is_erased,
    created_at,
    updated_at,
    coalesce(_erased_at, _merged_at, case when _is_removed then _removed_at end) as deleted_at,
    true as _is_partial,
    _position,
    _loaded_at,
    {{ run_timestamp() }} as _staged_at
from folded
