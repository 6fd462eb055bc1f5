{{ config(unique_key='table_name') }}

with

checks as (

    select
        *,
        rank() over (partition by table_name order by checked_at desc, _run_id desc) as _rank
    from {{ source('metadata', 'reconciliation') }}
    {{ since_watermark(source('metadata', 'reconciliation')) }}

)

select
    table_name,
    max(source_table) as source_table,
    max(basis) as basis,
    max(problem) as problem,
    count(*) as chunk_count,
    sum(case when is_equal then 1 else 0 end) as equal_chunk_count,
    sum(source_rows) as source_row_count,
    sum(lake_rows) as lake_row_count,
    min(case when is_equal then 1 else 0 end) = 1 as is_equal,
    max(checked_at) as checked_at,
    {{ run_timestamp() }} as _built_at
from checks
where _rank = 1
group by table_name
