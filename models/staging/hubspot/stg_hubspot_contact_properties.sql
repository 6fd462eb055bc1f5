{{ config(
    unique_key=['portal_id', 'contact_id', 'property_name'],
    post_hook="{{ drop_steps() }}",
    meta={'recompute': ['portal_id', 'contact_id']}
) }}

{%- set told = hubspot_facts('hubspot_contacts') %}

with

facts as (

    {{ with_inherited_erasures('hubspot_contacts', told) }}

),

known as (

    select * from facts
    {% if is_incremental() %}
        union all
        select
            stored.portal_id,
            stored.contact_id as object_id,
            stored.property_name,
            stored.property_value,
            stored.occurred_at,
            stored._position,
            stored._raw_id,
            stored._loaded_at
        from {{ this }} {{ as_it_stands() }} as stored
        where
            exists (
                select 1
                from facts
                where facts.portal_id = stored.portal_id and facts.object_id = stored.contact_id
            )
    {% endif %}

),

ranked as (

    select
        *,
        max(case when property_name = '_erased' then 1 else 0 end) over (
            partition by portal_id, object_id
        ) as _is_erased,
        row_number() over (
            partition by portal_id, object_id, property_name
            order by _position desc, property_value desc nulls last, _loaded_at asc, _raw_id asc
        ) as _rank
    from known

)

select
    portal_id,
    object_id as contact_id,
    property_name,
    property_value,
    occurred_at,
    _raw_id,
    _position,
    _loaded_at,
    {{ run_timestamp() }} as _staged_at
from ranked
where _rank = 1 and (_is_erased = 0 or substr(property_name, 1, 1) = '_')
