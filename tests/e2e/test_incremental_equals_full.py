"""P2: any order, repetition, lateness and batching of events ends in the same tables as one full build."""

from collections import Counter, defaultdict
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import Phase, given, settings
from hypothesis import seed as seeded
from hypothesis import strategies as st

from ingestion.settings import PROJECT_ROOT, Settings
from ingestion.webhooks.sources import load_source
from tests.support.histories import Event, World, delivery
from tests.support.lake import Lake

pytestmark = pytest.mark.spark

BATCHES = 3
BUILD = ("build", "--resource-types", "seed", "model")
# Where nobody knows what came since, each batch would be read again with the next one, and put in order there instead
# of against what is stored.
NO_LOOKBACK = ("--vars", "{lookback_seconds: 0}")
# Per-run statistics and what became of ids tell of runs, not of data; the moments a record was indexed at are the
# platform's own.
RUN_TABLES = {"semantic.entity_resolution_stats", "semantic.entity_id_remap", "semantic.entity_changes"}
NOT_SENT = {"stg_shopify_compliance_requests"}
RUN_COLUMNS = {"semantic.entity_index": {"created_at", "updated_at"}}


class Plan(NamedTuple):
    """An event, the batch it comes in, and the later batch that repeats it, if any."""

    event: Event
    batch: int
    repeated_in: int | None


def plans(world: int) -> st.SearchStrategy[list[Plan]]:
    """A history of one world, already in its random order of arrival."""
    one = st.builds(
        Plan,
        World(world).events(),
        st.integers(0, BATCHES - 1),
        st.one_of(st.none(), st.integers(0, BATCHES - 1)),
    )
    return st.lists(one, min_size=8, max_size=25)


def check(histories: list[list[Plan]], folder: Path) -> None:
    configs = {
        name: load_source(PROJECT_ROOT / f"config/webhooks/{name}.yaml") for name in ("shopify", "stripe", "hubspot")
    }
    numbered = list(enumerate(plan for history in histories for plan in history))
    deliveries = {number: delivery(configs[plan.event.source], plan.event, number) for number, plan in numbered}

    full = Lake(Settings(home=folder / "full"))
    full.land(deliveries.values())
    full.dbt(*BUILD)

    grown = Lake(Settings(home=folder / "grown"))
    for batch in range(BATCHES):
        grown.land(deliveries[number] for number, plan in reversed(numbered) if plan.batch == batch)
        grown.land((deliveries[number] for number, plan in numbered if plan.repeated_in == batch), worker=1)
        if batch == BATCHES - 1:
            for name in grown.tables(["raw"]):
                grown.forget(name)
        grown.dbt(*BUILD, *NO_LOOKBACK)

    assert full.tables() == grown.tables()
    staged = {path.stem for name in configs for path in (PROJECT_ROOT / "models/staging" / name).glob("*.sql")}
    assert [name for name in sorted(staged - NOT_SENT) if not full.rows(f"staging.{name}")] == []
    for name in full.tables():
        if name not in RUN_TABLES:
            expected, found = Counter(content(full, name)), Counter(content(grown, name))
            missing, extra = list(expected - found)[:2], list(found - expected)[:2]
            assert (missing, extra) == ([], []), name


def content(lake: Lake, name: str) -> list[str]:
    """A table's rows as text, without the platform's columns, entities named by their least record."""
    names = entity_names(lake)
    dropped = RUN_COLUMNS.get(name, set())
    rows = []
    for row in lake.rows(name):
        kept = {key: value for key, value in row.items() if not key.startswith("_") and key not in dropped}
        if "entity_id" in kept:
            kept["entity_id"] = names[kept["entity_id"]]
        rows.append(repr(sorted(kept.items())))
    return rows


def entity_names(lake: Lake) -> dict[str, str]:
    members = defaultdict(list)
    for row in lake.rows("semantic.entity_index"):
        members[row["entity_id"]].append(f"{row['source']}:{row['source_id']}")
    return {entity: min(records) for entity, records in members.items()}


def histories(count: int, seed: int) -> list[list[Plan]]:
    """`count` random histories, each of its own world; the same seed gives the same ones."""
    drawn: list[list[Plan]] = []

    @seeded(seed)
    @settings(max_examples=count, database=None, deadline=None, phases=[Phase.generate])
    @given(st.data())
    def draw(data: st.DataObject) -> None:
        drawn.append(data.draw(plans(len(drawn) + 1)))

    draw()
    return drawn


def test_ten_random_histories_end_as_one_full_build(tmp_path: Path) -> None:
    check(histories(count=10, seed=1), tmp_path)


@pytest.mark.stress
@pytest.mark.parametrize("seed", range(2, 12))
def test_two_hundred_random_histories_end_as_one_full_build(tmp_path: Path, seed: int) -> None:
    check(histories(count=20, seed=seed), tmp_path)
