{{ config(
    unique_key=['source', 'source_id'],
    full_refresh=false,
    post_hook="{{ drop_steps() }}",
    meta={'gone_without': 'entity_id', 'stamps': ['updated_at'], 'few_of_many': true},
) }}

{%- set changed_keys = changed_record_keys() -%}
{%- set new_values -%}
    select *
    from {{ ref('er_source_records') }} {{ since_watermark(ref('er_source_records'), '_built_at') }}
{%- endset -%}
{%- set changed_records -%}
    select
        record_key,
        bool_or(is_gone) as is_gone
    from (
        select
            record_key,
            is_deleted as is_gone
        from ({{ new_values }}) as changed_values
        union all
        select
            record_key,
            false as is_gone
        from {{ ref('blocking_index') }} {{ since_watermark(ref('blocking_index'), '_built_at') }}
        union all
        select
            record_key,
            false as is_gone
        from (
            {{ edges_of_others(changed_keys) }}
        ) as changed_edges
        {{ each_of(['key_low', 'key_high'], 'record_key') }}
        union all
        select
            record_a as record_key,
            cast(null as boolean) as is_gone
        from {{ ref('er_steward_overrides') }} {{ if_changed(ref('er_steward_overrides')) }}
        union all
        select
            record_b as record_key,
            cast(null as boolean) as is_gone
        from {{ ref('er_steward_overrides') }} {{ if_changed(ref('er_steward_overrides')) }}
    ) as changes
    group by record_key
{%- endset -%}
{%- set known_records -%}
    select *
    from {{ ref('er_source_records') }} {{ pinned(ref('er_source_records')) }}
{%- endset -%}
{%- set size = lake_size(known_records) -%}
{%- set known_edges -%}
    select
        edges.*,
        {{ bits_in_lake(size.offset_bits) }} as bits
    from {{ ref('er_candidate_edges') }} {{ pinned(ref('er_candidate_edges')) }} as edges
{%- endset -%}

{%- set new_edges -%}
    select
        edges.*,
        {{ bits_in_lake(size.offset_bits) }} as bits
    from (
        select *
        from {{ ref('er_candidate_edges') }} {{ since_watermark(ref('er_candidate_edges'), '_built_at') }}
    ) as edges
{%- endset -%}

{%- set text = dbt.type_string() -%}
{%- set decisions = kept_rows(
    'decisions', pair_decisions(), {'key_low': text, 'key_high': text, 'decision': text, 'decided_by': text}
) -%}

{#- Only changed records, those newly linked to them and the groups of both are resolved again. -#}
{%- set changed = kept_rows(
    'changed',
    changed_records,
    {'record_key': text, 'is_gone': 'boolean'},
    after=many_of(ref('er_source_records'))
) if is_incremental() -%}
{%- set stored = looked_up(
    step_of_many('stored', touched_groups(changed, new_edges, decisions), changed)
) if is_incremental() and not size.is_other and not rebuild_asked() -%}
{%- set resolved = resolution(
    touched_records(changed, known_records, stored), known_edges, decisions, changed
) -%}

{{ reads(changed_records ~ known_records ~ known_edges ~ pair_decisions()) }}
-- A record that is no longer living has no entity_id, and leaves the index.
select
    case
        when not records.is_deleted
            then coalesce(resolved.kept_entity_id, {{ new_entity_id('resolved.component_key') }})
    end as entity_id,
    records.source,
    records.source_id,
    records.email,
    records.email_normalized,
    records.phone,
    records.phone_normalized,
    records.first_name,
    records.last_name,
    records.full_name,
    cast(
        coalesce(1 / (1 + power(2e0, -cast(resolved.bits as double))), 1) as decimal(5, 2)
    ) as match_confidence,
    cast(resolved.bits as decimal(8, 2)) as match_bits,
    {{ match_tier('resolved.bits') }} as match_tier,
    {{ model_version() }} as model_version,
    resolved.resolution_group,
    resolved.is_cut,
    records.is_merged_away,
    not records.is_deleted and row_number() over (
        partition by resolved.component_key
        order by
            records.is_deleted asc,
            {{ record_precedence('records.is_merged_away') }} asc,
            records.record_key asc
    ) = 1 as is_golden_source,
    cast({{ size.offset_bits }} as int) as size_offset_bits,
    coalesce(resolved.stored_created_at, {{ run_timestamp() }}) as created_at,
    {{ run_timestamp() }} as updated_at,
    {{ run_timestamp() }} as _built_at
from (
    {{ values_of_records(known_records, new_values, stored) }}
) as records
inner join {{ resolved }} as resolved on records.record_key = resolved.record_key
