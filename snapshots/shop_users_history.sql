{% snapshot shop_users_history %}

{{ config(
    unique_key='user_id',
    strategy='check',
    check_cols=[
        'email', 'full_name', 'phone', 'country', 'preferences', 'credit_amount', 'is_active',
        'is_deleted', 'birth_date', 'source_deleted_at',
    ],
    updated_at='_staged_at',
    snapshot_meta_column_names={
        'dbt_valid_from': 'valid_from_at',
        'dbt_valid_to': 'valid_to_at',
        'dbt_scd_id': 'user_version_key',
        'dbt_updated_at': '_updated_at',
    }
) }}

select
    user_id,
    email,
    full_name,
    phone,
    country,
    preferences,
    credit_amount,
    is_active,
    is_deleted,
    birth_date,
    created_at,
    updated_at,
    source_deleted_at,
    _staged_at
from {{ ref('stg_shop_users') }} {{ as_it_stands() }}
{% if load_relation(this) %}
    where
        _staged_at > (
            select coalesce(max(_staged_at), timestamp '1970-01-01 00:00:00 UTC')
            from {{ this }} {{ as_it_stands() }}
        )
{% endif %}

{% endsnapshot %}
