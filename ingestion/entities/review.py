"""What people should look at: groups that were cut, true pairs that were cut apart, values that too many share."""

from dataclasses import dataclass
from typing import Any

from pyiceberg.catalog import Catalog

from ingestion.lake.query import query

Row = dict[str, Any]

_GROUPS = """
select resolution_group, count(*) as record_count, count(distinct entity_id) as entity_count,
    max(full_name) as a_name, min(match_confidence) as least_confidence
from semantic.entity_index
where is_cut
group by resolution_group
order by record_count desc, resolution_group
"""
_TRUE_PAIRS_CUT = """
select labels.record_a, labels.record_b, low.resolution_group
from staging.er_labelled_pairs as labels
join semantic.entity_index as low on labels.record_a = low.source || ':' || low.source_id
join semantic.entity_index as high on labels.record_b = high.source || ':' || high.source_id
where labels.is_same_customer and low.resolution_group = high.resolution_group and low.entity_id <> high.entity_id
order by labels.record_a, labels.record_b
"""
_SHARED = """
select rule, count(distinct block_hash) as value_count, count(*) as record_count
from semantic.blocking_index
where not is_active
group by rule
order by rule
"""


@dataclass(frozen=True)
class Review:
    """`true_pairs_cut`: labelled pairs of one customer that links join and the guard against large entities parts."""

    groups: list[Row]
    true_pairs_cut: list[Row]
    shared_by_too_many: list[Row]


def review(catalog: Catalog, limit: int) -> Review:
    """At most `limit` groups, the largest first; the others whole."""
    groups = query(catalog, f"{_GROUPS} limit {limit}")
    found = (query(catalog, sql) for sql in (_TRUE_PAIRS_CUT, _SHARED))
    return Review(*(table.to_pylist() for table in (groups, *found)))
