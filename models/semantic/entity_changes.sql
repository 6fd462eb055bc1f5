{{ config(
    unique_key=['record_key', 'changed_at'],
    full_refresh=false,
    post_hook="{{ drop_steps() }}",
    meta={'remembers': true},
) }}

{%- set text = dbt.type_string() -%}
{%- set found = kept_moved_records() -%}
{%- set moved = found.rows -%}

{#- All records of entities that some have moved to, with the entity that each was in before. -#}
{%- set members_sql -%}
    select {{ small_side('moved_to') if is_small_part(moved) }}
        present.record_key,
        present.entity_id,
        present.size_offset_bits,
        coalesce(moved.old_entity_id, present.entity_id) as before_entity_id
    from ({{ members_of_entities() }}) as present
    inner join (
        select distinct new_entity_id from {{ moved }} as moved
    ) as moved_to on present.entity_id = moved_to.new_entity_id
    left join {{ moved }} as moved on present.record_key = moved.record_key
{%- endset -%}
{%- set members = kept_rows(
    'members',
    members_sql,
    {'record_key': text, 'entity_id': text, 'size_offset_bits': 'int', 'before_entity_id': text},
    after=moved
) -%}

{{ reads(found.sql ~ members_sql) }}
with

decisions as (

    {{ pair_decisions() }}

),

-- Links between what was apart: the strongest of them is why they are together. A pair that was
-- decided is together, or apart, for no evidence.
bridges as (

    select
        low.before_entity_id as low_before,
        high.before_entity_id as high_before,
        low.entity_id,
        edges.key_low,
        edges.key_high,
        {{ bits_in_lake('low.size_offset_bits') }} as bits
    from {{ ref('er_candidate_edges') }} {{ pinned(ref('er_candidate_edges')) }} as edges
    inner join {{ members }} as low on edges.key_low = low.record_key
    inner join {{ members }} as high
        on
            edges.key_high = high.record_key
            and low.entity_id = high.entity_id
            and low.before_entity_id <> high.before_entity_id
    inner join {{ ref('er_tiers') }} as tiers
        on tiers.tier = 0 and {{ bits_in_lake('low.size_offset_bits') }} >= tiers.least_bits
    left join decisions
        on
            edges.key_low = decisions.key_low
            and edges.key_high = decisions.key_high
            and decisions.decision <> 'none'
    where decisions.key_low is null

),

ranked as (

    select
        moved.record_key,
        moved.old_entity_id,
        moved.new_entity_id,
        bridges.key_low,
        bridges.key_high,
        bridges.bits,
        row_number() over (
            partition by moved.record_key
            order by bridges.bits desc, bridges.key_low asc, bridges.key_high asc
        ) as _rank
    from {{ moved }} as moved
    left join bridges
        on
            moved.new_entity_id = bridges.entity_id
            and moved.old_entity_id in (bridges.low_before, bridges.high_before)

)

select
    record_key,
    old_entity_id as from_entity_id,
    new_entity_id as to_entity_id,
    key_low as cause_key_low,
    key_high as cause_key_high,
    bits as cause_bits,
    {{ run_timestamp() }} as changed_at,
    {{ run_timestamp() }} as _built_at
from ranked
where _rank = 1
