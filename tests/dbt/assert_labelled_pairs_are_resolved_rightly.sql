-- Of labelled pairs (`er_labelled_pairs`, a hundred and more), nine in ten that are joined are one
-- customer, and eight in ten of one customer are joined.
with

judged as (

    select
        labels.is_same_customer,
        low.entity_id = high.entity_id as is_joined
    from {{ ref('er_labelled_pairs') }} as labels
    inner join {{ ref('entity_index') }} as low
        on labels.record_a = concat(low.source, ':', low.source_id)
    inner join {{ ref('entity_index') }} as high
        on labels.record_b = concat(high.source, ':', high.source_id)

),

counted as (

    select
        count(*) as pair_count,
        sum(case when is_joined and is_same_customer then 1 else 0 end) as right_count,
        sum(case when is_joined then 1 else 0 end) as joined_count,
        sum(case when is_same_customer then 1 else 0 end) as same_count
    from judged

)

select *
from counted
where
    pair_count >= 100
    and (right_count * 10 < joined_count * 9 or right_count * 10 < same_count * 8)
