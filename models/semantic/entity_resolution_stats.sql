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
        from {{ this }}
    {% else %}
        select
            *,
            1 as _rank
        from counted
        where false
    {% endif %}

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
        coalesce(counted.largest_entity_record_count, 0) as largest_entity_record_count
    from counted
    full outer join latest on counted.source = latest.source
    where counted.record_count > 0 or latest.source is not null

)

-- Figures that stand already make no row; a source whose records are all gone counts zero.
select
    {{ run_timestamp() }} as run_started_at,
    figures.source,
    figures.record_count,
    figures.matched_record_count,
    figures.entity_count,
    figures.multi_source_entity_count,
    figures.largest_entity_record_count,
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
where latest.source is null
