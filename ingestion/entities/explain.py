"""Why two records are one customer, or are not: the links that join them or what parts them, and their comparison."""

from collections import defaultdict, deque
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import yaml
from pyiceberg.catalog import Catalog

from ingestion.entities.training import COMPARISONS
from ingestion.errors import UsageError
from ingestion.lake.query import query
from ingestion.settings import PROJECT_ROOT

Row = dict[str, Any]

WORDS = {
    "first_name": ("different", "similar", "an initial or a beginning", "exchanged", "a nickname", "equal"),
    "last_name": ("different", "one within the other", "similar", "exchanged", "equal"),
    "email": ("different", "the same letters", "similar", "the same name elsewhere, or mailbox of an office", "equal"),
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

_DECIDED = Decimal(999)  # what a link of a steward or of a source weighs, as in macros/entities/touched_records.sql


@dataclass(frozen=True)
class Explanation:
    """What is known of two records.

    `links` are those that join them, `parted_by` says why none does; `comparison` is that of the pair itself, None if
    they were never compared.
    """

    entity_a: str
    entity_b: str
    links: list[Row]
    comparison: Row | None
    parted_by: str | None

    @property
    def is_one_customer(self) -> bool:
        """Whether both are in one entity now."""
        return self.entity_a == self.entity_b


def explain(catalog: Catalog, record_a: str, record_b: str) -> Explanation:
    """Of records of one entity the chain of links whose weakest one is the strongest, the shortest of such.

    Raises UsageError for a record that is not in the index.
    """
    one, other = (_indexed(catalog, record) for record in (record_a, record_b))
    is_same = one["entity_id"] == other["entity_id"]
    chain = _chain(_links(catalog, one["entity_id"]), record_a, record_b) if is_same else []
    low, high = sorted((record_a, record_b))
    pairs = {(low, high), *((link["key_low"], link["key_high"]) for link in chain)}
    compared = _comparisons(catalog, pairs, one["size_offset_bits"])
    own = compared.get((low, high))
    is_one_group = one["resolution_group"] == other["resolution_group"]
    return Explanation(
        one["entity_id"],
        other["entity_id"],
        [_link(link, compared.get((link["key_low"], link["key_high"]))) for link in chain],
        _told(own) if own else None,
        None if is_same else _parted_by(catalog, (low, high), own, is_one_group),
    )


def _indexed(catalog: Catalog, record: str) -> Row:
    rows: list[Row] = query(
        catalog,
        "select entity_id, resolution_group, size_offset_bits from semantic.entity_index"
        f" where source || ':' || source_id = {_text(record)}",
    ).to_pylist()
    if not rows:
        raise UsageError(f"no record {record!r} in the index: a record is named source:id, for example shopify:7001")
    return rows[0]


def _links(catalog: Catalog, entity: str) -> list[Row]:
    rows: list[Row] = query(
        catalog,
        f"select key_low, key_high, kind, tier, bits from semantic.er_edges where entity_id = {_text(entity)}",
    ).to_pylist()
    return rows


def _chain(links: Iterable[Row], start: str, end: str) -> list[Row]:
    """The links from start to end; decisions and merges are stronger than any evidence."""
    near: dict[str, list[tuple[str, Row]]] = defaultdict(list)
    ordered = sorted(links, key=lambda link: (-_strength(link), link["key_low"], link["key_high"]))
    for place, link in enumerate(ordered):
        near[link["key_low"]].append((link["key_high"], link))
        near[link["key_high"]].append((link["key_low"], link))
        is_last_of_its_strength = place + 1 == len(ordered) or _strength(ordered[place + 1]) < _strength(link)
        if is_last_of_its_strength and (found := _path(near, start, end)):
            return found
    return []


def _strength(link: Row) -> Decimal:
    return Decimal(link["bits"]) if link["kind"] == "evidence" else _DECIDED


def _path(near: dict[str, list[tuple[str, Row]]], start: str, end: str) -> list[Row]:
    """The fewest links from start to end, none if there is no way."""
    before: dict[str, tuple[str, Row] | None] = {start: None}
    waiting = deque([start])
    while waiting and end not in before:
        here = waiting.popleft()
        for there, link in near[here]:
            if there not in before:
                before[there] = (here, link)
                waiting.append(there)
    chain: list[Row] = []
    step = before.get(end)
    while step:
        chain.append(step[1])
        step = before[step[0]]
    return chain[::-1]


def _comparisons(catalog: Catalog, pairs: Iterable[tuple[str, str]], offset: int) -> dict[tuple[str, str], Row]:
    """The comparisons of these pairs that there are, with the `bits` they weigh in a lake of this size."""
    columns = ", ".join(f"{name}_level, {name}_bits" for name in COMPARISONS)
    condition = " or ".join(f"(key_low = {_text(low)} and key_high = {_text(high)})" for low, high in sorted(pairs))
    rows: list[Row] = query(
        catalog,
        f"select key_low, key_high, rules, {columns}, score_bits from semantic.er_candidate_edges where {condition}",
    ).to_pylist()
    return {(row["key_low"], row["key_high"]): {**row, "bits": bits_in_lake(row, offset)} for row in rows}


def bits_in_lake(edge: Row, offset: int) -> Decimal:
    """What a comparison weighs if the lake's size takes `offset` bits, as the macro of this name says."""
    level = {name: -1 if edge[f"{name}_level"] is None else edge[f"{name}_level"] for name in COMPARISONS}
    quarters = {4: 4, 3: -1, 2: 2}.get(level["email"], 0) + 4 * (level["phone"] >= 2) + 4 * (level["address"] in (4, 6))
    quarters -= 2 * (level["first_name"] >= 1) + 2 * (level["last_name"] >= 1)
    return Decimal(edge["score_bits"]) + Decimal(offset * quarters) / 4


def _parted_by(catalog: Catalog, pair: tuple[str, str], own: Row | None, is_one_group: bool) -> str:
    low, high = map(_text, pair)
    decided: list[Row] = query(
        catalog,
        "select decision, author, reason from staging.er_steward_overrides"
        f" where least(record_a, record_b) = {low} and greatest(record_a, record_b) = {high}"
        " order by decided_at desc limit 1",
    ).to_pylist()
    decision = decided[0]["decision"] if decided else "none"
    if decision == "cannot_link":
        return f"a decision of {decided[0]['author']}: {decided[0]['reason']}"
    merged = query(
        catalog,
        "select record_key from semantic.er_source_records"
        f" where (record_key = {low} and merged_into_key = {high})"
        f" or (record_key = {high} and merged_into_key = {low})",
    )
    if decision == "must_link" or merged.num_rows:
        return "decisions that contradict each other: what they put together and part is left alone"
    if own and is_conflict(own):
        return "a conflict: so much speaks against it that no links of others join them"
    if is_one_group:
        return "a cut: links lead from one to the other, but with all of them the group is too large or in conflict"
    return "too little evidence" if own else "never compared: they have no value in common that few share"


def is_conflict(edge: Row) -> bool:
    """Whether a comparison keeps its two records apart whatever others say, by the variables in dbt_project.yml."""
    project = yaml.safe_load((PROJECT_ROOT / "dbt_project.yml").read_text(encoding="utf-8"))
    of_all, of_unlike_names = (project["vars"][f"conflict_bits{end}"] for end in ("", "_of_unlike_first_names"))
    is_unlike = edge["first_name_level"] == 0 and edge["email_level"] != 4
    return bool(edge["bits"] < of_all or (is_unlike and edge["bits"] < of_unlike_names))


def _link(link: Row, compared: Row | None) -> Row:
    """A link, and what was compared where the evidence makes it."""
    told = {"record_a": link["key_low"], "record_b": link["key_high"], "kind": link["kind"]}
    return {**told, **_told(compared)} if compared else told


def _told(edge: Row) -> Row:
    comparisons = {}
    for name in COMPARISONS:
        level = edge[f"{name}_level"]
        word = "not said" if level is None else WORDS[name][level]
        comparisons[name] = f"{word} ({edge[f'{name}_bits']:+})"
    return {**comparisons, "total_bits": edge["bits"], "compared_for": edge["rules"]}


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
