"""Why two records are one customer, or are not: the comparison of the pair, or the chain of links that joins them."""

from collections import defaultdict, deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pyiceberg.catalog import Catalog

from ingestion.entities.training import COMPARISONS
from ingestion.errors import UsageError
from ingestion.lake.query import query

Row = dict[str, Any]

WORDS = {
    "first_name": ("different", "similar", "an initial or a beginning", "exchanged", "a nickname", "equal"),
    "last_name": ("different", "one within the other", "similar", "exchanged", "equal"),
    "email": ("different", "the same letters", "similar", "the same name elsewhere", "equal"),
    "phone": ("different", "one digit off", "equal but for the country", "equal"),
    "address": (
        "another country",
        "another place",
        "the same country",
        "the same city",
        "the same postal code",
        "house and a similar street, or one of both at that postal code",
        "house and street",
    ),
}


@dataclass(frozen=True)
class Explanation:
    """What is known of two records: `links` is empty if they are two customers and were never compared."""

    entity_a: str
    entity_b: str
    links: list[Row]

    @property
    def is_one_customer(self) -> bool:
        """Whether both are in one entity now."""
        return self.entity_a == self.entity_b


def explain(catalog: Catalog, record_a: str, record_b: str) -> Explanation:
    """The links between two records: their own comparison if there is one, else the strongest chain in their entity.

    Raises UsageError for a record that is not in the index.
    """
    entity_a, entity_b = (_entity(catalog, record) for record in (record_a, record_b))
    low, high = sorted((record_a, record_b))
    own = _edges(catalog, f"key_low = {_text(low)} and key_high = {_text(high)}")
    if own or entity_a != entity_b:
        return Explanation(entity_a, entity_b, [_told(edge) for edge in own])
    members = [row["record_key"] for row in _members(catalog, entity_a)]
    listed = ", ".join(map(_text, members))
    edges = _edges(catalog, f"key_low in ({listed}) and key_high in ({listed})")
    return Explanation(entity_a, entity_b, [_told(edge) for edge in _chain(edges, record_a, record_b)])


def _entity(catalog: Catalog, record: str) -> str:
    rows = query(
        catalog,
        f"select entity_id from semantic.entity_index where source || ':' || source_id = {_text(record)}",
    ).to_pylist()
    if not rows:
        raise UsageError(f"no record {record!r} in the index: a record is named source:id, for example shopify:7001")
    return str(rows[0]["entity_id"])


def _members(catalog: Catalog, entity: str) -> list[Row]:
    rows: list[Row] = query(
        catalog,
        f"select source || ':' || source_id as record_key from semantic.entity_index where entity_id = {_text(entity)}",
    ).to_pylist()
    return rows


def _edges(catalog: Catalog, condition: str) -> list[Row]:
    columns = ", ".join(f"{name}_level, {name}_bits" for name in COMPARISONS)
    rows: list[Row] = query(
        catalog,
        f"select key_low, key_high, rules, {columns}, score_bits from semantic.er_candidate_edges where {condition}",
    ).to_pylist()
    return rows


def _chain(edges: Iterable[Row], start: str, end: str) -> list[Row]:
    """The links from start to end, strongest ones tried first; the fewest there are."""
    near: dict[str, list[tuple[str, Row]]] = defaultdict(list)
    for edge in sorted(edges, key=lambda one: -one["score_bits"]):
        near[edge["key_low"]].append((edge["key_high"], edge))
        near[edge["key_high"]].append((edge["key_low"], edge))
    before: dict[str, tuple[str, Row] | None] = {start: None}
    waiting = deque([start])
    while waiting and end not in before:
        here = waiting.popleft()
        for there, edge in near[here]:
            if there not in before and edge["score_bits"] > -6:
                before[there] = (here, edge)
                waiting.append(there)
    chain: list[Row] = []
    step = before.get(end)
    while step:
        chain.append(step[1])
        step = before[step[0]]
    return chain[::-1]


def _told(edge: Row) -> Row:
    comparisons = {}
    for name in COMPARISONS:
        level = edge[f"{name}_level"]
        word = "not said" if level is None else WORDS[name][level]
        comparisons[name] = f"{word} ({edge[f'{name}_bits']:+})"
    pair = {"record_a": edge["key_low"], "record_b": edge["key_high"]}
    return {**pair, **comparisons, "total_bits": edge["score_bits"], "compared_for": edge["rules"]}


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
