{{ config(
    unique_key='old_entity_id',
    full_refresh=false,
    post_hook="{{ drop_steps() }}",
    meta={'remembers': true},
) }}

{%- set found = kept_moved_records() -%}
{%- set moved = found.rows -%}

{{ reads(found.sql) }}
with

left_ids as (

    select distinct old_entity_id
    from {{ moved }}

),

living as (

    select {{ small_side('left_ids') if is_small_part(moved) }} distinct present.entity_id
    from {{ ref('entity_index') }} {{ pinned(ref('entity_index')) }} as present
    inner join left_ids on present.entity_id = left_ids.old_entity_id

),

counted as (

    select
        moved.old_entity_id,
        moved.new_entity_id,
        count(*) as record_count
    from {{ moved }} as moved
    left join living on moved.old_entity_id = living.entity_id
    where living.entity_id is null
    group by moved.old_entity_id, moved.new_entity_id

),

ranked as (

    select
        *,
        row_number() over (
            partition by old_entity_id
            order by
                case when new_entity_id is null then 1 else 0 end,
                record_count desc,
                new_entity_id asc
        ) as _rank
    from counted

),

retired as (

    select
        old_entity_id,
        new_entity_id
    from ranked
    where _rank = 1

),

-- An id that led to one retired now leads on, so that nobody has to follow a chain.
resolved as (

    select
        old_entity_id,
        new_entity_id
    from retired
    {% if is_incremental() %}
        union all
        select
            stored.old_entity_id,
            retired.new_entity_id
        from {{ this }} {{ as_it_stands() }} as stored
        inner join retired on stored.new_entity_id = retired.old_entity_id
    {% endif %}

)

select
    old_entity_id,
    new_entity_id,
    case when new_entity_id is null then 'gone' else 'merged' end as event,
    {{ run_timestamp() }} as _built_at
from resolved
