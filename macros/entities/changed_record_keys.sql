{#- changed_record_keys(): the records that changed, or whose blocks did, since this model read them. -#}
{% macro changed_record_keys() -%}
    select record_key
    from {{ ref('er_source_records') }} {{ since_watermark(ref('er_source_records'), '_built_at') }}
    union distinct
    select record_key
    from {{ ref('blocking_index') }} {{ since_watermark(ref('blocking_index'), '_built_at') }}
{%- endmacro %}
