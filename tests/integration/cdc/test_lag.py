"""How far raw is behind Kafka: what is counted, and who waits for it."""

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from pyiceberg.catalog import Catalog

from ingestion.cdc.lag import Behind
from ingestion.cdc.sink import Limits, Sink
from ingestion.cli.cdc import command
from ingestion.errors import RetryableError
from ingestion.lake.catalog import open_catalog
from ingestion.settings import Settings
from tests.support.bus import TestBus
from tests.support.databases import TestPostgres
from tests.support.followed import FollowedDatabase, followed


@pytest.fixture
def site(
    postgres: TestPostgres, settings: Settings, catalog: Catalog, bus: TestBus, tmp_path: Path
) -> Iterator[FollowedDatabase]:
    """A table of two rows that is loaded and followed, and one change of it on Kafka."""
    with followed("postgres", postgres.database(), settings, catalog, bus, tmp_path) as found:
        found.sql("create table orders (id int primary key)", "insert into orders values (1), (2)")
        found.load()
        found.register()
        found.sql("insert into orders values (3)")
        found.events("orders", lambda events: len(events) == 1)
        yield found


@pytest.fixture
def behind(site: FollowedDatabase) -> Iterator[Behind]:
    found = Behind(site.catalog, site.source, site.cluster)
    yield found
    found.close()


def sink_of(site: FollowedDatabase, limits: Limits | None = None) -> Sink:
    kafka = {"bootstrap.servers": site.bus.bootstrap}
    return Sink(open_catalog(site.settings), site.source, kafka, site.name, limits)


def test_messages_are_behind_until_a_sink_has_dealt_with_them(site: FollowedDatabase, behind: Behind) -> None:
    [before] = behind.look()
    with pytest.raises(RetryableError, match=f"raw is [12] messages behind .* frazil cdc sink {site.name}"):
        behind.wait(0)

    sink = sink_of(site)
    sink.run(lambda: False, once=True)
    sink.close()

    assert before.topic == f"{site.name}.public.orders"
    assert before.behind == before.end > 0
    assert [one.behind for one in behind.wait(0)] == [0]


def test_who_waits_goes_on_when_a_running_sink_has_caught_up(site: FollowedDatabase, behind: Behind) -> None:
    """A message without a row is no reason for a commit, and yet dealt with."""
    stop = threading.Event()
    sink = sink_of(site, Limits(seconds=0.3))
    thread = threading.Thread(target=sink.run, args=(stop.is_set,))
    thread.start()
    try:
        behind.wait(60)
        producer = Producer({"bootstrap.servers": site.bus.bootstrap})
        producer.produce(f"{site.name}.public.orders", None, key=b'{"id": 3}')
        producer.flush(10)
        [after] = behind.wait(60)
    finally:
        stop.set()
        thread.join(60)
        sink.close()

    assert (after.behind, sink.totals.tombstones) == (0, 1)


def test_a_topic_made_anew_has_not_been_caught_up_with(site: FollowedDatabase, behind: Behind) -> None:
    sink = sink_of(site)
    sink.run(lambda: False, once=True)
    sink.close()
    topic, admin = f"{site.name}.public.orders", AdminClient({"bootstrap.servers": site.bus.bootstrap})
    site.client.stop(site.name)
    site.client.wait(site.name, "STOPPED")
    [before] = behind.look()
    admin.delete_topics([topic])[topic].result()
    while topic in site.bus.topics(topic):
        time.sleep(0.1)
    time.sleep(0.5)
    admin.create_topics([NewTopic(topic, 1, 1)])[topic].result()
    while topic not in site.bus.topics(topic):
        time.sleep(0.1)

    [after] = behind.look()
    with pytest.raises(RetryableError, match="made anew"):
        behind.wait(0)

    assert (before.behind, before.lost) == (0, None)
    assert after.behind > 0


@pytest.mark.parametrize(("minutes", "is_told"), [(10, True), (0, False)])
def test_a_transaction_that_is_never_ended_is_told(
    site: FollowedDatabase, behind: Behind, minutes: int, is_told: bool
) -> None:
    sink = sink_of(site)
    sink.run(lambda: False, once=True)
    sink.close()
    topic = f"{site.name}.public.orders"
    producer = Producer({"bootstrap.servers": site.bus.bootstrap, "transactional.id": site.name})
    producer.init_transactions(20)
    producer.begin_transaction()
    producer.produce(topic, b"{}", key=b'{"id": 4}', timestamp=int((time.time() - minutes * 60) * 1000))
    producer.flush(10)

    [during] = behind.look()
    if is_told:
        with pytest.raises(RetryableError, match=f"has been open at offset .* of {topic}/0 for 6.. seconds"):
            behind.wait(0)
    producer.abort_transaction(20)
    [after] = behind.wait(60)

    assert bool(during.held) == bool(during.behind) == is_told
    assert (after.behind, after.held) == (0, None)


def test_who_waits_for_a_source_without_topics_is_told(site: FollowedDatabase) -> None:
    other = site.source.model_copy(update={"name": site.bus.name("unregistered")})
    behind = Behind(site.catalog, other, site.cluster)

    with pytest.raises(RetryableError, match=f"no topic of it yet; run `frazil cdc register {other.name}`"):
        behind.wait(0)
    behind.close()


def test_the_command_tells_a_program(site: FollowedDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRAZIL_HOME", str(site.settings.home_dir))
    monkeypatch.setenv("FRAZIL_CONFIG_DIR", str(site.settings.config_dir))

    shown = CliRunner().invoke(command, ["lag", site.name, "--json"])
    waited = CliRunner().invoke(command, ["lag", site.name, "--wait", "0"])

    assert json.loads(shown.stdout)["behind"] > 0
    assert isinstance(waited.exception, RetryableError)
