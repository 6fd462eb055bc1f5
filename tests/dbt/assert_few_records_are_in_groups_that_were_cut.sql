-- Of a thousand records and more, at most a third may be in groups that were cut: else the
-- weights do not fit the data.
select
    count(*) as record_count,
    sum(case when is_cut then 1 else 0 end) as cut_record_count
from {{ ref('entity_index') }}
having count(*) >= 1000 and sum(case when is_cut then 1 else 0 end) * 3 > count(*)
