{{ config(
    unique_key=['source', 'source_id'],
    full_refresh=false,
    post_hook="{{ drop_steps() }}",
    meta={'gone_without': 'entity_id', 'stamps': ['updated_at']},
) }}

{%- set changed_records -%}
    select record_key
    from {{ ref('er_source_records') }} {{ since_watermark(ref('er_source_records'), '_built_at') }}
    union distinct
    select record_key
    from {{ ref('blocking_index') }} {{ since_watermark(ref('blocking_index'), '_built_at') }}
    union distinct
    select key_low as record_key
    from {{ ref('er_candidate_edges') }} {{ since_watermark(ref('er_candidate_edges'), '_built_at') }}
    union distinct
    select key_high as record_key
    from {{ ref('er_candidate_edges') }} {{ since_watermark(ref('er_candidate_edges'), '_built_at') }}
    union distinct
    select record_a as record_key
    from {{ ref('er_steward_overrides') }} {{ if_changed(ref('er_steward_overrides')) }}
    union distinct
    select record_b as record_key
    from {{ ref('er_steward_overrides') }} {{ if_changed(ref('er_steward_overrides')) }}
{%- endset -%}
{%- set known_records -%}
    select *
    from {{ ref('er_source_records') }} {{ pinned(ref('er_source_records')) }}
{%- endset -%}
{#- Of twice as many records twice as many are alike by chance: each link weighs one bit less. -#}
{%- set size = lake_size(known_records) -%}
{%- set known_edges -%}
    select
        edges.*,
        edges.score_bits - {{ size.offset_bits }} as bits
    from {{ ref('er_candidate_edges') }} {{ pinned(ref('er_candidate_edges')) }} as edges
{%- endset -%}

{%- set text = dbt.type_string() -%}
{%- set decisions = kept_rows(
    'decisions', pair_decisions(), {'key_low': text, 'key_high': text, 'decision': text, 'decided_by': text}
) -%}

{#- Only changed records, those they are linked to and the groups of both are resolved again. -#}
{%- set changed = kept_rows(
    'changed', changed_records, {'record_key': text}
) if is_incremental() -%}
{%- set touched = kept_rows(
    'touched',
    touched_records(changed, known_records, known_edges, decisions, size.is_other),
    {'record_key': text, 'stored_entity_id': text, 'stored_created_at': 'timestamp'},
) -%}
{%- set components = resolved_components(
    touched, edges_among(touched, known_edges, decisions, ref('er_tiers')), all_tiers()
) -%}

{%- set members -%}
    select
        records.*,
        not records.is_deleted as is_living,
        coalesce(components.component_key, records.record_key) as component_key,
        components.bits,
        coalesce(components.resolution_group, records.record_key) as resolution_group,
        coalesce(components.is_cut, false) as is_cut,
        touched.stored_created_at,
        case when not records.is_deleted then touched.stored_entity_id end as claimed_entity_id
    from {{ touched }} as touched
    inner join ({{ known_records }}) as records on touched.record_key = records.record_key
    left join {{ components }} as components on touched.record_key = components.record_key
{%- endset -%}

{{ reads(changed_records ~ known_records ~ known_edges ~ pair_decisions()) }}
with

resolved as (

    {{ kept_entity_ids(members) }}

)

-- A record that is no longer living has no entity_id, and leaves the index.
select
    case
        when is_living
            then coalesce(kept_entity_id, {{ new_entity_id('component_key') }})
    end as entity_id,
    source,
    source_id,
    email,
    email_normalized,
    phone,
    phone_normalized,
    first_name,
    last_name,
    full_name,
    cast(
        coalesce(1 / (1 + power(2e0, -cast(bits as double))), 1) as decimal(5, 2)
    ) as match_confidence,
    cast(bits as decimal(8, 2)) as match_bits,
    resolution_group,
    is_cut,
    merged_into_key is not null as is_merged_away,
    cast({{ size.offset_bits }} as int) as size_offset_bits,
    coalesce(stored_created_at, {{ run_timestamp() }}) as created_at,
    {{ run_timestamp() }} as updated_at,
    {{ run_timestamp() }} as _built_at
from resolved
