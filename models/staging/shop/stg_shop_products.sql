{{ config(unique_key='product_id', meta={'merge_by': 'position', 'copies': true}) }}

with

changes as (

    {{ database_changes(source('raw', 'shop_products'), 'product_id') }}

)

select
    cast(product_id as {{ dbt.type_string() }}) as product_id,
    sku,
    title,
    description,
    category,
    currency,
    tags,
    attributes,
    image,
    price_amount,
    weight_grams,
    is_active,
    _is_deleted as is_deleted,
    created_at,
    updated_at,
    _deleted_at as deleted_at,
    _event_id as _raw_id,
    _change_position as _position,
    _deleted_position,
    _raw_overflow,
    _loaded_at,
    {{ run_timestamp() }} as _staged_at
from changes
