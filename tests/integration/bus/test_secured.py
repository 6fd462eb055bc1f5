"""A Kafka that asks for an account through TLS: config/kafka_clusters.yaml lets in, and what is wrong is one line."""

import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from pyiceberg.catalog import Catalog

from ingestion.cdc.clusters import cluster
from ingestion.cdc.making import ensure_topics
from ingestion.cdc.sink import Sink
from ingestion.cdc.topics import delete, records
from ingestion.errors import FrazilError, RetryableError, UsageError
from ingestion.lake.bus import bus_of
from ingestion.lake.sink import Sink as WebhookSink
from ingestion.lake.topics import TopicSink
from ingestion.settings import Settings
from tests.support.capturing import TOPIC
from tests.support.databases import TestPostgres
from tests.support.secured import PASSWORD, VARIABLE, Authority, SecuredBus, running_secured
from tests.support.sources import source_of
from tests.support.topics import Topic
from tests.support.webhook_server import Server, running_server, secrets_for

ORDER = b'{"id":1,"updated_at":"2026-01-01T00:00:00Z","total_price":"1.10"}'
WRONG_PASSWORD = r"refuses the connection \(.*SASL.*\); set mechanism, user and password of its"
WRONG_CA = r"refuses the connection \(.*certificate.*\); set security of its cluster in .* and ca_file to who signed"


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredBus]:
    with running_secured(tmp_path_factory.mktemp("secured")) as bus:
        yield bus


@pytest.fixture(autouse=True)
def account(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**secrets_for(), VARIABLE: PASSWORD}.items():
        monkeypatch.setenv(name, value)


def _post(server: Server) -> str | None:
    return server.post("shopify", ORDER, {**TOPIC, "x-shopify-webhook-id": "w1"}).outcome


def _until_logged(server: Server, word: str) -> str:
    deadline = time.monotonic() + 60
    while word not in (said := (server.home / "server.log").read_text()):
        assert time.monotonic() < deadline, said
        time.sleep(0.1)
    return next(line for line in said.splitlines() if word in line)


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-512", "PLAIN"])
def test_topics_are_made_filled_brought_to_raw_and_deleted(
    secured: SecuredBus, postgres: TestPostgres, catalog: Catalog, mechanism: str
) -> None:
    bus = replace(secured, mechanism=mechanism)
    place = cluster(bus.config(), "default")
    items = Topic(bus, postgres, catalog)
    ensure_topics(place, ["made.by.us"], 1)

    items.put(range(3))
    items.drain()
    before = records(place, items.name)
    delete(place, [items.name, "made.by.us"])

    assert items.ids() == [0, 1, 2]
    assert before == 3
    assert records(place, items.name) == records(place, "made.by.us") == 0


def test_a_webhook_goes_through_it_to_raw(secured: SecuredBus, home: Path, catalog: Catalog) -> None:
    settings = Settings(home=home, bus="kafka", config_dir=secured.config())
    with running_server(home, config_dir=settings.config_dir, bus="kafka") as server:
        _until_logged(server, '"up": true')
        assert _post(server) == "accepted"
        assert server.deliveries() == []

    kafka, topics = bus_of(settings)
    sink = WebhookSink(settings)
    work = TopicSink(sink, kafka, topics, seconds=0.2)
    try:
        work.run(lambda: False, once=True)
    finally:
        work.close()
        sink.close()

    assert catalog.load_table("raw.shopify_orders").scan().to_arrow()["id"].to_pylist() == ["1"]


@pytest.mark.parametrize(
    ("spoilt", "kind", "message"),
    [
        ({"password": "${WRONG}"}, UsageError, WRONG_PASSWORD),
        ({"user": "nobody"}, UsageError, WRONG_PASSWORD),
        ({"mechanism": "SCRAM-SHA-256"}, UsageError, WRONG_PASSWORD),
        ({"ca_file": "{other}"}, UsageError, WRONG_CA),
        ({"ca_file": "/nowhere/ca.pem"}, UsageError, r"cannot be asked \(.*ca.*\); set the files of its cluster in "),
        (
            {"security": "PLAINTEXT"},
            RetryableError,
            r"does not answer \(.*\); see that it runs .* has the address and the security of its port",
        ),
    ],
)
def test_what_does_not_fit_is_one_line_with_the_next_step(
    secured: SecuredBus,
    postgres: TestPostgres,
    catalog: Catalog,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    spoilt: dict[str, str],
    kind: type[FrazilError],
    message: str,
) -> None:
    monkeypatch.setenv("WRONG", "tell-nobody")
    other = tmp_path / "other.pem"
    other.write_text(Authority("another").certificate, encoding="utf-8")
    place = cluster(
        secured.config(**{key: value.replace("{other}", str(other)) for key, value in spoilt.items()}), "default"
    )
    source = source_of(postgres.database(), "postgres", secured.name(), modes=("bulk", "cdc"))

    with (
        pytest.raises(kind, match=message) as caught,
        closing(Sink(catalog, source, place.client(), source.name)) as sink,
    ):
        sink.run(lambda: False, wait_seconds=2)

    said = str(caught.value)
    assert "\n" not in said
    assert "tell-nobody" not in said
    assert PASSWORD not in said


def test_webhooks_that_kafka_lets_not_in_are_kept_and_the_log_says_why(
    secured: SecuredBus, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WRONG", "tell-nobody")
    with running_server(home, config_dir=secured.config(password="${WRONG}"), bus="kafka") as server:
        line = _until_logged(server, "refuses the connection")

        assert _post(server) == "accepted"
        assert [delivery.body for delivery in server.deliveries()] == [ORDER]
        assert '"bus_state"' in line
        assert "set mechanism, user and password" in line
        assert "tell-nobody" not in (home / "server.log").read_text()
