"""The guard against large entities and contradictions cuts weak links, and nothing that somebody has decided."""

import itertools
from collections.abc import Iterable, Mapping
from random import Random
from typing import NamedTuple

import pytest

from ingestion.settings import Settings
from tests.support.lake import Lake
from tests.support.project import copy_of_the_project
from tests.support.spark import link_jars

pytestmark = pytest.mark.spark

_LEAST = -1.0  # of the lowest tier in seeds/er_tiers.csv
_DECIDED = 999.0
_MODEL = """{{ config(unique_key=['record_key'], post_hook='{{ drop_steps() }}') }}
-- depends_on: {{ ref('er_tiers') }}
{%- if execute %}
{%- set sql = "select key_low, key_high, cast(bits as decimal(9, 2)) as bits, is_link, is_conflict
from (values VALUES) as edges (key_low, key_high, bits, is_link, is_conflict)" %}
select * from {{ COMPONENTS }} as components
{%- endif %}
"""
_COLUMNS = """{'record_key': 'string', 'component_key': 'string', 'resolution_group': 'string', 'is_cut': 'boolean',
'bits': 'decimal(9, 2)'}"""
# The ways to the same components: for part of a large index, and for all of it.
_WAYS = {
    "guard_of_rows": f"literal_rows(components_of_rows(rows_of(sql, edge_types()), tier_rows()), {_COLUMNS})",
    "guard_of_many": "components_of_many(kept_table('edges', sql))",
}


class Edge(NamedTuple):
    key_low: str
    key_high: str
    bits: float
    is_link: bool
    is_conflict: bool


def _edge(one: str, other: str, bits: float, *, is_conflict: bool = False) -> Edge:
    low, high = sorted((one, other))
    return Edge(low, high, bits, not is_conflict and bits >= _LEAST, is_conflict)


def _all_pairs(keys: Iterable[str], bits: float) -> list[Edge]:
    return [_edge(one, other, bits) for one, other in itertools.combinations(keys, 2)]


def _apart(one: str, other: str, bits: float = -7.0) -> Edge:
    return _edge(one, other, bits, is_conflict=True)


# Edges, and the entities of more than one record that they make; the records' keys begin with the name of the case.
CASES: dict[str, tuple[list[Edge], list[set[str]]]] = {
    "one too many": (
        _all_pairs([f"{number:02}" for number in range(16)], 14.0),
        [{f"{number:02}" for number in range(15)}],
    ),
    "two people and a record of both": (
        [
            *_all_pairs(["a1", "a2", "a3"], 14.0),
            *_all_pairs(["b1", "b2", "b3"], 14.0),
            *(_edge("a1", "s", 9.2), _edge("b1", "s", 9.2), _apart("a1", "b1")),
        ],
        [{"a1", "a2", "a3"}, {"b1", "b2", "b3"}],
    ),
    "two people and a record as near to both": (
        [
            *_all_pairs(["a1", "a2", "a3"], 14.0),
            *_all_pairs(["b1", "b2", "b3"], 14.0),
            *(_edge("a1", "s", 14.0), _edge("b1", "s", 14.0), _apart("a1", "b1")),
        ],
        [{"a1", "a2", "a3", "s"}, {"b1", "b2", "b3"}],
    ),
    "a weaker chain": (
        [_edge("a", "b", 10.0), _edge("b", "c", 9.5), _edge("c", "d", 12.0), _apart("a", "d")],
        [{"a", "b"}, {"c", "d"}],
    ),
    "put together though unlike another one": (
        [*_all_pairs(["a1", "a2", "a3"], 14.0), _edge("a1", "z", _DECIDED), _apart("a2", "z")],
        [{"a1", "a2", "a3", "z"}],
    ),
    "many merged": (
        [*(_edge("contact", f"{number:02}", _DECIDED) for number in range(20)), _edge("contact", "shopify", 11.0)],
        [{"contact", "shopify", *(f"{number:02}" for number in range(20))}],
    ),
    "merged and weakly linked": (
        [*(_edge("contact", f"{number:02}", _DECIDED) for number in range(5)), _edge("contact", "shopify", 0.5)],
        [{"contact", "shopify", *(f"{number:02}" for number in range(5))}],
    ),
    "put together and parted": (
        [
            *(_edge("a", "b", _DECIDED), _edge("b", "c", _DECIDED), _apart("a", "c", _DECIDED)),
            *(_edge("c", "d", 14.0), _edge("d", "e", 14.0)),
        ],
        [{"d", "e"}],
    ),
    "parted against the evidence": (
        [*_all_pairs(["a", "b", "c"], 14.0)[1:], _apart("a", "b", _DECIDED)],
        [{"a", "c"}],
    ),
    "small and weak": (_all_pairs(["a", "b", "c"], 0.0), [{"a", "b", "c"}]),
    "many and weak": (_all_pairs(["a", "b", "c", "d"], 0.0), [{"a", "b", "c"}]),
    "strong and weak": (
        [*_all_pairs([f"{number:02}" for number in range(11)], 8.0), _edge("10", "z", 0.0)],
        [{f"{number:02}" for number in range(8)}, {"08", "09", "10"}],
    ),
}


def _random_edges(rng: Random) -> list[Edge]:
    """A few dozen records, with links of all weights and a few conflicts and decisions."""
    keys = [f"{number:02}" for number in range(rng.randint(5, 40))]
    pairs = rng.sample(list(itertools.combinations(keys, 2)), min(len(keys) * 2, len(keys) * (len(keys) - 1) // 2))
    kinds = rng.choices(("link", "conflict", "together", "parted"), (80, 8, 8, rng.choice((0, 1))), k=len(pairs))
    found = []
    for pair, kind in zip(pairs, kinds, strict=True):
        bits = _DECIDED if kind in ("together", "parted") else float(rng.randint(-2, 40)) / 2
        found.append(_apart(*pair, bits) if kind in ("conflict", "parted") else _edge(*pair, bits))
    return [edge for edge in found if edge.is_link or edge.is_conflict]


def _named(case: str, edges: Iterable[Edge]) -> list[Edge]:
    return [edge._replace(key_low=f"{case}:{edge.key_low}", key_high=f"{case}:{edge.key_high}") for edge in edges]


@pytest.fixture(scope="module")
def components(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, tuple[object, ...]]]:
    """By way, each record's component_key, resolution_group, is_cut and bits."""
    folder = tmp_path_factory.mktemp("guard")
    rng = Random(7)
    graphs = {name: edges for name, (edges, _) in CASES.items()} | {
        f"random {n}": _random_edges(rng) for n in range(60)
    }
    edges = [edge for name, found in graphs.items() for edge in _named(name, found)]
    rng.shuffle(edges)
    project = copy_of_the_project(folder / "project")
    rows = ", ".join(f"('{low}', '{high}', {bits}, {link}, {conflict})" for low, high, bits, link, conflict in edges)
    for name, sql in _WAYS.items():
        model = _MODEL.replace("COMPONENTS", sql).replace("VALUES", rows)
        (project / f"models/semantic/{name}.sql").write_text(model, encoding="utf-8")
    home = folder / "home"
    link_jars(home)
    lake = Lake(Settings(home=home), project)
    lake.dbt("seed", "--select", "er_tiers")
    lake.dbt("run", "--select", *_WAYS, "--vars", "{most_literal_rows: 20}")
    columns = ("component_key", "resolution_group", "is_cut", "bits")
    return {
        name: {row["record_key"]: tuple(row[column] for column in columns) for row in lake.rows(f"semantic.{name}")}
        for name in _WAYS
    }


@pytest.mark.parametrize("way", _WAYS)
@pytest.mark.parametrize("case", CASES)
def test_weak_links_are_cut_and_decisions_hold(
    components: Mapping[str, Mapping[str, tuple[object, ...]]], way: str, case: str
) -> None:
    found: dict[object, set[str]] = {}
    for key, (component, *_) in components[way].items():
        name, _, record = key.partition(":")
        if name == case:
            found.setdefault(component, set()).add(record)

    assert sorted((one for one in found.values() if len(one) > 1), key=min) == CASES[case][1]


@pytest.mark.parametrize("way", sorted(_WAYS.keys() - {"guard_of_rows"}))
def test_all_ways_find_the_same_of_any_links(
    components: Mapping[str, Mapping[str, tuple[object, ...]]], way: str
) -> None:
    assert components[way] == components["guard_of_rows"]
