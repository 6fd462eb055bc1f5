"""Every source in config/webhooks keeps the same promises; a new file is covered as soon as it is there."""

import json
import time
from pathlib import Path

import pytest

from ingestion.settings import PROJECT_ROOT
from ingestion.webhooks.events import RawRow, raw_schema, split
from ingestion.webhooks.journal import Delivery
from tests.support.webhook_server import Server

SOURCES = sorted(path.stem for path in (PROJECT_ROOT / "config" / "webhooks").glob("*.yaml"))
SIGNS_A_TIME = {"stripe", "hubspot", "standard"}


@pytest.fixture(params=SOURCES)
def source(request: pytest.FixtureRequest) -> str:
    """The name of each configured source in turn."""
    name: str = request.param
    return name


def stored(server: Server, body: bytes) -> list[Delivery]:
    return [delivery for delivery in server.deliveries() if delivery.body == body]


def test_its_example_is_accepted_and_becomes_rows_of_its_tables(server: Server, source: str) -> None:
    config = server.sources[source]
    body = config.example.body_bytes

    answer = server.post(source, body)

    assert (answer.status, answer.outcome) in {(200, "accepted"), (200, "repeated")}
    delivery = stored(server, body)[0]
    rows = split(config, delivery)
    assert rows
    for row in rows:
        assert isinstance(row, RawRow), row
        columns = raw_schema(config, row.table.removeprefix(f"{source}_")).names
        named = dict(zip(columns, row.values, strict=False))
        assert json.loads(named["_payload"]) in (
            config.example.body if isinstance(config.example.body, list) else [config.example.body]
        )
        assert named["_event_id"]
        assert named["_position"]
        assert named["_op"] in {"c", "u", "d"}


def test_its_example_wrongly_signed_is_refused_and_not_kept(server: Server, source: str) -> None:
    body = server.sources[source].example.body_bytes
    changed = body + b" "
    signed = server.signed(source, body)

    assert server.request("POST", f"/webhooks/{source}", signed, changed).status == 401
    assert [delivery.reason for delivery in stored(server, changed)] in ([], ["signature"])


def test_its_example_sent_twice_is_stored_once(server: Server, source: str) -> None:
    body = server.sources[source].example.body_bytes + b"\n"
    headers = {**server.sources[source].example.headers, "webhook-id": "msg_twice"}

    outcomes = [server.post(source, body, headers).outcome for _ in range(3)]

    assert outcomes[1:] == ["repeated", "repeated"]
    assert len({delivery.delivery_id for delivery in stored(server, body)}) == len(stored(server, body)) <= 1


def test_its_example_signed_too_long_ago_is_refused(server: Server, source: str) -> None:
    config = server.sources[source]
    late = time.time() - config.signature.tolerance_seconds - 2

    answer = server.post(source, config.example.body_bytes, now=late)

    assert answer.status == (401 if config.signature.scheme in SIGNS_A_TIME else 200)


def test_every_yaml_file_is_a_source(server: Server) -> None:
    assert list(server.sources) == SOURCES
    assert Path(PROJECT_ROOT / "config" / "webhooks").is_dir()
