{{ config(unique_key=['run_started_at', 'source'], full_refresh=false) }}

with

counted as (

    {{ counted_entities() }}

),

stored as (

    {% if is_incremental() %}
        select
            *,
            row_number() over (partition by source order by run_started_at desc) as _rank
        from {{ this }} {{ as_it_stands() }}
    {% else %}
        select
            *,
            cast(null as timestamp) as run_started_at,
            cast(null as {{ dbt.type_string() }}) as match_tiers,
            1 as _rank
        from counted
        where false
    {% endif %}

),

tiers as (

    select
        'all' as source,
        {{ joined_values('tier_text') }} as match_tiers
    from (
        select concat(match_tier, ': ', cast(count(*) as {{ dbt.type_string() }})) as tier_text
        from {{ ref('entity_index') }} {{ pinned(ref('entity_index')) }}
        group by match_tier
    ) as counted_tiers

),

moves as (

    select
        'all' as source,
        count(distinct case when retired.old_entity_id is not null then moved.from_entity_id end)
            as merged_entity_count,
        count(distinct case when retired.old_entity_id is null then moved.from_entity_id end)
            as split_entity_count
    from (
        select *
        from {{ ref('entity_changes') }} {{ since_watermark(ref('entity_changes'), '_built_at') }}
    ) as moved
    left join {{ ref('entity_id_remap') }} {{ pinned(ref('entity_id_remap')) }} as retired
        on moved.from_entity_id = retired.old_entity_id
    where
        moved.to_entity_id is not null
        and moved.changed_at > (select max(stored.run_started_at) as run_started_at from stored)

),

latest as (

    select *
    from stored
    where _rank = 1

),

figures as (

    select
        coalesce(counted.source, latest.source) as source,
        coalesce(counted.record_count, 0) as record_count,
        coalesce(counted.matched_record_count, 0) as matched_record_count,
        coalesce(counted.entity_count, 0) as entity_count,
        coalesce(counted.multi_source_entity_count, 0) as multi_source_entity_count,
        coalesce(counted.largest_entity_record_count, 0) as largest_entity_record_count,
        tiers.match_tiers,
        moves.merged_entity_count,
        moves.split_entity_count
    from counted
    full outer join latest on counted.source = latest.source
    left join tiers on coalesce(counted.source, latest.source) = tiers.source
    left join moves on coalesce(counted.source, latest.source) = moves.source
    where counted.record_count > 0 or latest.source is not null

)

-- Figures that stand already make no row; a source whose records are all gone counts zero.
select
    {{ run_timestamp() }} as run_started_at,
    figures.source,
    figures.match_tiers,
    figures.record_count,
    figures.matched_record_count,
    figures.entity_count,
    figures.multi_source_entity_count,
    figures.largest_entity_record_count,
    figures.merged_entity_count,
    figures.split_entity_count,
    {{ run_timestamp() }} as _built_at
from figures
left join latest
    on
        figures.source = latest.source
        and figures.record_count = latest.record_count
        and figures.matched_record_count = latest.matched_record_count
        and figures.entity_count = latest.entity_count
        and figures.multi_source_entity_count = latest.multi_source_entity_count
        and figures.largest_entity_record_count = latest.largest_entity_record_count
        and coalesce(figures.match_tiers, '') = coalesce(latest.match_tiers, '')
        and coalesce(figures.merged_entity_count, 0) + coalesce(figures.split_entity_count, 0) = 0
where latest.source is null
