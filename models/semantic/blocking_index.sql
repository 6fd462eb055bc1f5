{{ config(
    unique_key=['record_key', 'rule'],
    post_hook="{{ drop_steps() }}",
    meta={'gone_without': 'block_hash'},
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
    {%- do types.update({'is_changed': 'boolean'}) -%}
    {%- set stored = kept_rows(
        'stored', stored_blocks(found), types, as_table=false, after=found
    ) -%}
{%- else -%}
    {%- set found = cached_step('found', found_blocks(changed_records)) -%}
    {%- set stored = '(' ~ stored_blocks(found) ~ ')' -%}
{%- endif -%}

{{ reads(changed_records) }}
with

members as (

    select
        found.record_key,
        found.rule,
        found.block_hash,
        found.is_generic
    from {{ found }} as found
    where found.rule is not null
    union all
    select
        stored.record_key,
        stored.rule,
        stored.block_hash,
        stored.is_generic
    from {{ stored }} as stored
    where not stored.is_changed

),

-- Values that many share tell nothing: who has them is not compared because of them.
counted as (

    select
        record_key,
        rule,
        block_hash,
        is_generic,
        not is_generic
        and count(*) over (partition by block_hash) <= {{ largest_block() }} as is_active
    from members

)

select
    record_key,
    rule,
    block_hash,
    is_generic,
    is_active,
    {{ run_timestamp() }} as _built_at
from counted
union all
select
    stored.record_key,
    stored.rule,
    cast(null as bigint) as block_hash,
    false as is_generic,
    false as is_active,
    {{ run_timestamp() }} as _built_at
from {{ stored }} as stored
left join {{ found }} as found
    on stored.record_key = found.record_key and stored.rule = found.rule
where stored.is_changed and found.rule is null
