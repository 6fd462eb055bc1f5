{{ config(
    unique_key=['record_key', 'rule'],
    post_hook="{{ drop_steps() }}",
    meta={'gone_without': 'block_hash', 'few_of_many': true},
) }}

{%- set changed_records -%}
    select *
    from {{ ref('er_source_records') }} {{ since_watermark(ref('er_source_records'), '_built_at') }}
{%- endset -%}

{%- set types = {
    'record_key': dbt.type_string(), 'rule': dbt.type_string(), 'block_hash': 'bigint', 'is_generic': 'boolean',
} -%}
{%- if is_incremental() -%}
    {%- set found = kept_rows('found', found_blocks(changed_records), types, as_table=false) -%}
    {%- set before = kept_rows('before', blocks_before(found), types, as_table=false, after=found) -%}
    {%- set blocks = kept_rows(
        'blocks',
        changed_blocks_of(found, before),
        {'block_hash': 'bigint', 'is_active': 'boolean', 'is_turned': 'boolean'},
        as_table=false,
        after=before
    ) -%}
{%- else -%}
    {%- set found = cached_step('found', found_blocks(changed_records)) -%}
{%- endif -%}

{{ reads(changed_records) }}
-- Values that many share tell nothing: who has them is not compared because of them.
{% if is_incremental() -%}
select
    found.record_key,
    found.rule,
    found.block_hash,
    found.is_generic,
    blocks.is_active,
    {{ run_timestamp() }} as _built_at
from {{ found }} as found
inner join {{ blocks }} as blocks on found.block_hash = blocks.block_hash
union all
select {{ small_side('turned') if is_small_part(found) }}
    stored.record_key,
    stored.rule,
    stored.block_hash,
    stored.is_generic,
    turned.is_active,
    {{ run_timestamp() }} as _built_at
from {{ this }} as stored
inner join (
    select
        block_hash,
        is_active
    from {{ blocks }} as blocks
    where is_turned
) as turned on stored.block_hash = turned.block_hash
left join ({{ changed_records_of(found) }}) as changed on stored.record_key = changed.record_key
where changed.record_key is null
union all
select
    before.record_key,
    before.rule,
    cast(null as bigint) as block_hash,
    false as is_generic,
    false as is_active,
    {{ run_timestamp() }} as _built_at
from {{ before }} as before
left join {{ found }} as found on before.record_key = found.record_key and before.rule = found.rule
where found.rule is null
{%- else -%}
select
    record_key,
    rule,
    block_hash,
    is_generic,
    not is_generic and count(*) over (partition by block_hash) <= {{ largest_block() }} as is_active,
    {{ run_timestamp() }} as _built_at
from {{ found }} as found
where rule is not null
{%- endif %}
