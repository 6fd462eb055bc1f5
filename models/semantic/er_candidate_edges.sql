{{ config(
    unique_key=['key_low', 'key_high'],
    post_hook="{{ drop_steps() }}",
    meta={'gone_without': 'score_bits', 'few_of_many': true},
) }}

{%- set changed_keys_sql = changed_record_keys() -%}

{%- set text = dbt.type_string() -%}
{%- set changed = kept_rows(
    'changed',
    changed_keys_sql,
    {'record_key': text},
    as_table=false,
    after=many_of(ref('er_source_records'))
) if is_incremental() -%}
{%- set blocks -%}
    select *
    from {{ ref('blocking_index') }} {{ pinned(ref('blocking_index')) }}
{%- endset -%}
{%- set records -%}
    select *
    from {{ ref('er_source_records') }} {{ pinned(ref('er_source_records')) }}
{%- endset -%}
{%- set pair_sql = candidate_pairs(blocks, changed) -%}
{%- if is_incremental() -%}
    {%- set pairs = kept_rows(
        'pairs', pair_sql, {'key_low': text, 'key_high': text, 'rules': text}, as_table=false, after=changed
    ) -%}
    {%- set compared = cached_step('compared', comparable_records(records, blocks, pairs)) -%}
    {%- set are_new = brings_only_new_keys(ref('er_source_records')) -%}
    {%- if are_new and brings_only_new_keys(ref('blocking_index')) -%}
        {%- set before = nothing_stored() -%}
    {%- else -%}
        {%- set before = looked_up(step_of_many('before', pairs_before(changed), changed)) -%}
    {%- endif -%}
{%- else -%}
    {%- set pairs = cached_step('pairs', pair_sql) -%}
    {%- set compared = '(' ~ comparable_records(records, blocks) ~ ')' -%}
{%- endif -%}

{{ reads(changed_keys_sql ~ blocks ~ records) }}
with

scored as (

    {{ scored_pairs(pairs, compared) }}
    {% if is_incremental() %}
        union all
        {{ pairs_no_more(before, pairs) }}
    {% endif %}

)

select
    key_low,
    key_high,
    rules,
    first_name_level,
    first_name_bits,
    last_name_level,
    last_name_bits,
    email_level,
    email_bits,
    phone_level,
    phone_bits,
    address_level,
    address_bits,
    score_bits,
    {{ model_version() }} as model_version,
    {{ run_timestamp() }} as _built_at
from scored
