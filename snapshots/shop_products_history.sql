{% snapshot shop_products_history %}

{{ config(
    unique_key='product_id',
    strategy='check',
    check_cols=[
        'sku', 'title', 'description', 'category', 'currency', 'tags', 'attributes',
        'price_amount', 'weight_grams', 'is_active', 'is_deleted',
    ],
    updated_at='_staged_at',
    snapshot_meta_column_names={
        'dbt_valid_from': 'valid_from_at',
        'dbt_valid_to': 'valid_to_at',
        'dbt_scd_id': 'product_version_key',
        'dbt_updated_at': '_updated_at',
    }
) }}

select
    product_id,
    sku,
    title,
    description,
    category,
    currency,
    tags,
    attributes,
    price_amount,
    weight_grams,
    is_active,
    is_deleted,
    created_at,
    updated_at,
    _staged_at
from {{ ref('stg_shop_products') }} {{ as_it_stands() }}
{% if load_relation(this) %}
    where
        _staged_at > (
            select coalesce(max(_staged_at), timestamp '1970-01-01 00:00:00 UTC')
            from {{ this }} {{ as_it_stands() }}
        )
{% endif %}

{% endsnapshot %}
