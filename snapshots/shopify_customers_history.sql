{% snapshot shopify_customers_history %}

{{ config(
    unique_key='customer_id',
    strategy='check',
    check_cols=[
        'email', 'phone', 'first_name', 'last_name', 'city', 'state', 'country', 'postal_code',
        'account_status', 'is_deleted',
    ],
    updated_at='_staged_at',
    snapshot_meta_column_names={
        'dbt_valid_from': 'valid_from_at',
        'dbt_valid_to': 'valid_to_at',
        'dbt_scd_id': 'customer_version_key',
        'dbt_updated_at': '_updated_at',
    }
) }}

select
    customer_id,
    shop_domain,
    email,
    phone,
    first_name,
    last_name,
    city,
    state,
    country,
    postal_code,
    account_status,
    is_deleted,
    created_at,
    updated_at,
    _staged_at
from {{ ref('stg_shopify_customers') }} {{ as_it_stands() }}
{% if load_relation(this) %}
    where
        _staged_at > (
            select coalesce(max(_staged_at), timestamp '1970-01-01 00:00:00 UTC')
            from {{ this }} {{ as_it_stands() }}
        )
{% endif %}

{% endsnapshot %}
