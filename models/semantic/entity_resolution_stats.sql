{{ config(unique_key=['run_started_at', 'source'], full_refresh=false) }}

with

records as (

    select
        entity_id,
        source,
        count(*) as record_count
    from {{ ref('entity_index') }} {{ pinned(ref('entity_index')) }}
    group by entity_id, source

),

entities as (

    select
        source,
        record_count,
        sum(record_count) over (partition by entity_id) as entity_record_count,
        count(*) over (partition by entity_id) as source_count,
        row_number() over (partition by entity_id order by source) as _rank
    from records

),

counted as (

    select
        source,
        sum(record_count) as record_count,
        sum(case when entity_record_count > 1 then record_count else 0 end) as matched_record_count,
        count(*) as entity_count,
        sum(case when source_count > 1 then 1 else 0 end) as multi_source_entity_count,
        max(entity_record_count) as largest_entity_record_count
    from entities
    group by source
    union all
    select
        'all' as source,
        sum(entity_record_count) as record_count,
        sum(
            case when entity_record_count > 1 then entity_record_count else 0 end
        ) as matched_record_count,
        count(*) as entity_count,
        sum(case when source_count > 1 then 1 else 0 end) as multi_source_entity_count,
        max(entity_record_count) as largest_entity_record_count
    from entities
    where _rank = 1
    having count(*) > 0

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
