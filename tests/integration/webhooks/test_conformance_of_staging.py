"""Each configured source's example, posted rightly, wrongly, twice and late: what raw, quarantine and staging hold.

One server, one sink and one build for all sources; a new file in config/webhooks is covered as soon as it is there.
"""

import time
from collections import Counter
from typing import Any, NamedTuple

import msgspec
import pytest

from ingestion.lake.quarantine import QUARANTINE
from ingestion.lake.sink import drain
from ingestion.settings import PROJECT_ROOT, Settings
from ingestion.webhooks.events import RawRow, split
from ingestion.webhooks.journal import Delivery
from ingestion.webhooks.sources import SourceConfig
from tests.support.lake import Lake
from tests.support.webhook_server import Answer, Server, running_server

pytestmark = pytest.mark.spark

SOURCES = sorted(path.stem for path in (PROJECT_ROOT / "config" / "webhooks").glob("*.yaml"))
SYSTEM = ("_event_id", "_op", "_load_type", "_position", "_loaded_at", "_run_id", "_received_at", "_webhook_topic")


class Landed(NamedTuple):
    """What was answered to each source's requests, and the lake they ended in."""

    sources: dict[str, SourceConfig]
    answers: dict[str, dict[str, Answer]]
    lake: Lake


def posted(server: Server, source: str) -> dict[str, Answer]:
    """The example in five ways; `again` is the same delivery once more, `resent` the same body under another id."""
    config = server.sources[source]
    body = config.example.body_bytes
    own = {**config.example.headers, "webhook-id": "msg_conformance"}
    names = [name for name in config.kept_headers if name.endswith("webhook-id")]
    other = {**own, **dict.fromkeys([name for name in names if name in own], "msg_resent")}
    late = time.time() - config.signature.tolerance_seconds - 2
    return {
        "good": server.post(source, body, own),
        "again": server.post(source, body, own),
        "resent": server.post(source, body, other),
        "late": server.post(source, body, other, now=late),
        "wrong": server.request("POST", f"/webhooks/{source}", server.signed(source, body, own), body + b" "),
    }


@pytest.fixture(scope="module")
def landed(tmp_path_factory: pytest.TempPathFactory) -> Landed:
    home = tmp_path_factory.mktemp("conformance") / "home"
    with running_server(home, webhook_samples_per_minute=60) as server:
        answers = {source: posted(server, source) for source in SOURCES}
        sources = server.sources
    lake = Lake(Settings(home=home))
    drain(lake.settings)
    models = [f"+{model}" for source in SOURCES for model in models_of(sources[source])]
    lake.dbt("build", "--resource-types", "seed", "model", "--select", *models)
    return Landed(sources, answers, lake)


def example_rows(config: SourceConfig) -> list[RawRow]:
    """The rows of raw that the example is."""
    headers = msgspec.json.encode({**config.example.headers, "webhook-id": "msg"})
    rows = split(config, Delivery(config.source, b"", 0, headers, config.example.body_bytes, None))
    return [row for row in rows if isinstance(row, RawRow)]


def models_of(config: SourceConfig) -> list[str]:
    """The staging models of the tables that the example reaches."""
    return sorted({f"stg_{row.table}" for row in example_rows(config)})


def keys_of(config: SourceConfig, table: str) -> set[str]:
    """The source's own ids in the example's events of one table."""
    place = config.objects[table.removeprefix(f"{config.source}_")].key.choices[0]
    path = (*(config.data_path if place.kind == "data" else ()), *place.path)
    bodies = config.example.body if config.batch else [config.example.body]
    tables = [row.table for row in example_rows(config)]
    return {str(value_at(body, path)) for body, found in zip(bodies, tables, strict=True) if found == table}


def value_at(body: Any, path: tuple[str, ...]) -> Any:
    for step in path:
        body = body[step]
    return body


@pytest.mark.parametrize("source", SOURCES)
def test_raw_holds_what_was_accepted_once_and_nothing_else(landed: Landed, source: str) -> None:
    config, answers = landed.sources[source], landed.answers[source]
    accepted = sum(answer.outcome == "accepted" for answer in answers.values())

    expected = Counter(row.table for row in example_rows(config))
    found: dict[str, list[dict[str, Any]]] = {name: landed.lake.rows(f"raw.{name}") for name in expected}

    signs_time = config.signature.scheme != "shopify"
    assert [answers[name].status for name in ("good", "again", "resent", "late", "wrong")] == [
        *(200, 200, 200),
        *((401, 401) if signs_time else (200, 401)),
    ]
    assert (answers["good"].outcome, answers["again"].outcome) == ("accepted", "repeated")
    assert {name: len(rows) for name, rows in found.items()} == {name: n * accepted for name, n in expected.items()}
    others = [name for name in landed.lake.tables(["raw"]) if name.startswith(f"raw.{source}_")]
    assert sum(len(landed.lake.rows(name)) for name in others) == sum(expected.values()) * accepted
    elements = config.example.body if config.batch else [config.example.body]
    for row in (row for rows in found.values() for row in rows):
        assert msgspec.json.decode(row["_payload"]) in elements
        assert [name for name in SYSTEM if row[name] is None] == []
        assert (row["_op"] in {"c", "u", "d"}, row["_load_type"]) == (True, "webhook")


@pytest.mark.parametrize("source", SOURCES)
def test_the_quarantine_holds_samples_of_what_was_refused_alone(landed: Landed, source: str) -> None:
    answers = landed.answers[source]

    kept = [row for row in landed.lake.rows(QUARANTINE) if row["source"] == source]

    assert {row["reason"] for row in kept} == {"signature"}
    assert len(kept) == sum(answer.status == 401 for answer in answers.values())


@pytest.mark.parametrize("source", SOURCES)
def test_staging_holds_each_record_of_the_example_once(landed: Landed, source: str) -> None:
    config = landed.sources[source]

    assert models_of(config)
    for model in models_of(config):
        rows = landed.lake.rows(f"staging.{model}")
        keys = sorted(keys_of(config, model.removeprefix("stg_")))
        named = [name for name in rows[0] if name.endswith("_id")]
        assert any(sorted(str(row[name]) for row in rows) == keys for name in named), (keys, rows)
        assert not any(row.get("is_deleted") for row in rows)
        assert all(row["_loaded_at"] <= row["_staged_at"] for row in rows)
