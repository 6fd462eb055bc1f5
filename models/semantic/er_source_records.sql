{{ config(unique_key='record_key', meta={'few_of_many': true}) }}

{%- set customer_merges -%}
    select
        customer_id as record_id,
        merged_into_id
    from {{ ref('stg_shopify_customer_merges') }} {{ pinned(ref('stg_shopify_customer_merges')) }}
{%- endset -%}
{%- set contact_merges -%}
    select
        concat(portal_id, ':', contact_id) as record_id,
        concat(portal_id, ':', merged_into_id) as merged_into_id
    from {{ ref('stg_hubspot_contacts') }} {{ pinned(ref('stg_hubspot_contacts')) }}
    where merged_into_id is not null and not is_erased
{%- endset -%}
{%- set unread_records -%}
    select
        'shopify' as source,
        source_id,
        concat('shopify:', merged_into_id) as merged_into_key,
        email,
        phone,
        first_name,
        last_name,
        nullif(concat_ws(' ', first_name, last_name), '') as full_name,
        address,
        city,
        postal_code,
        country,
        is_living
    from (
        {{ with_merges(
            ref('stg_shopify_customers'), 'customer_id', customer_merges,
            are_new=not is_unchanged(ref('stg_shopify_customer_merges'))
        ) }}
    ) as customers
    {{ records_no_more(ref('stg_shopify_customers'), 'shopify', 'customer_id') }}
    union all
    select
        'stripe' as source,
        customer_id as source_id,
        cast(null as {{ dbt.type_string() }}) as merged_into_key,
        email,
        phone,
        cast(null as {{ dbt.type_string() }}) as first_name,
        cast(null as {{ dbt.type_string() }}) as last_name,
        full_name,
        address,
        city,
        postal_code,
        country,
        is_live and not is_deleted as is_living
    from {{ ref('stg_stripe_customers') }}
    {{ since_watermark(ref('stg_stripe_customers'), '_staged_at') }}
    {{ records_no_more(ref('stg_stripe_customers'), 'stripe', 'customer_id') }}
    union all
    select
        'hubspot' as source,
        source_id,
        concat('hubspot:', merged_into_id) as merged_into_key,
        email,
        phone,
        first_name,
        last_name,
        nullif(concat_ws(' ', first_name, last_name), '') as full_name,
        address,
        city,
        postal_code,
        country,
        is_living
    from (
        {{ with_merges(
            ref('stg_hubspot_contacts'), "concat(portal_id, ':', contact_id)", contact_merges,
            is_ended='is_deleted and (merged_into_id is null or is_erased)'
        ) }}
    ) as contacts
    {{ records_no_more(
        ref('stg_hubspot_contacts'), 'hubspot', "concat(portal_id, ':', contact_id)"
    ) }}
    union all
    select
        'shop' as source,
        user_id as source_id,
        cast(null as {{ dbt.type_string() }}) as merged_into_key,
        email,
        phone,
        cast(null as {{ dbt.type_string() }}) as first_name,
        cast(null as {{ dbt.type_string() }}) as last_name,
        full_name,
        cast(null as {{ dbt.type_string() }}) as address,
        cast(null as {{ dbt.type_string() }}) as city,
        cast(null as {{ dbt.type_string() }}) as postal_code,
        country,
        not is_deleted as is_living
    from {{ ref('stg_shop_users') }}
    {{ since_watermark(ref('stg_shop_users'), '_staged_at') }}
    {{ records_no_more(ref('stg_shop_users'), 'shop', 'user_id') }}
{%- endset -%}

with

records as (

    {{ with_rarities(normalized_records(unread_records)) }}

)

-- Nothing is kept of a record that is no longer living but that it was there.
select
    record_key,
    source,
    source_id,
    email,
    phone,
    first_name,
    last_name,
    full_name,
    email_normalized,
    phone_normalized,
    email_local,
    email_domain,
    phone_suffix,
    first_name_normalized,
    first_name_canonical,
    last_name_normalized,
    street_normalized,
    house_number,
    postal_code_normalized,
    city_normalized,
    country_code,
    merged_into_key,
    first_name_rarity_bits,
    last_name_rarity_bits,
    not is_living as is_deleted,
    {{ run_timestamp() }} as _built_at
from records
