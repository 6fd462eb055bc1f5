"""The topics' sink beside that of the journals, in one process: `frazil sink run` with FRAZIL_BUS=kafka."""

import logging
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ingestion.errors import FrazilError, PermanentError
from ingestion.lake.batch import Counts
from ingestion.settings import Settings

if TYPE_CHECKING:
    from ingestion.lake.topics import Topic

log = logging.getLogger(__name__)


@dataclass
class Beside:
    """What became of the topics, when the block has ended."""

    is_on: bool
    total: Counts = field(default_factory=Counts)
    error: FrazilError | None = None


@contextmanager
def beside(
    settings: Settings,
    stop: threading.Event,
    *,
    once: bool,
    seconds: float,
    events: int,
    accepts_gaps: bool = False,
) -> Iterator[Beside]:
    """Reads the topics in a thread until `stop` is set, or with `once` until all is in raw. Raises its error at the end
    of the block; an error sets `stop`."""
    found = Beside(settings.bus == "kafka")
    if not found.is_on:
        yield found
        return
    options = {"seconds": seconds, "events": events, "accepts_gaps": accepts_gaps}
    thread = threading.Thread(target=_run, args=(settings, stop, once, options, found), name="topics")
    thread.start()
    try:
        yield found
    except BaseException:
        stop.set()
        raise
    finally:
        thread.join()
    if found.error is not None:
        raise found.error


def _run(settings: Settings, stop: threading.Event, once: bool, options: dict[str, Any], found: Beside) -> None:
    from ingestion.lake.sink import Sink
    from ingestion.lake.topics import TopicSink

    try:
        kafka, topics = bus_of(settings)
        sink = Sink(settings)
        try:
            work = TopicSink(sink, kafka, topics, **options)
            try:
                found.total = work.run(stop.is_set, once=once)
            finally:
                work.close()
        finally:
            sink.close()
    except FrazilError as error:
        found.error = error
        log.error("topics_stopped", extra={"reason": str(error)})
        stop.set()
    except Exception as error:  # else nobody would notice that topics are not read
        found.error = PermanentError(f"the topics are not read any more: {type(error).__name__}: {error}")
        log.exception("topics_stopped")
        stop.set()


def bus_of(settings: Settings) -> tuple[dict[str, str], Mapping[str, "Topic"]]:
    """How Kafka is reached, and every topic of webhooks and polled tables. Raises UsageError for wrong words."""
    from ingestion.bulk.sources import load_databases
    from ingestion.cdc.clusters import cluster
    from ingestion.lake.letters import topics_of
    from ingestion.lake.topics import Topic
    from ingestion.poll.tables import topics_of as polled_topics
    from ingestion.webhooks.sources import load_sources

    kafka = cluster(settings.config_dir, settings.bus_cluster).client()
    topics: dict[str, Topic] = {}
    for name, source in load_sources(settings.config_dir).items():
        for topic, home in topics_of(name, source.batch, list(source.objects)).items():
            topics[topic] = Topic(home, name)
    for name, database in load_databases(settings.config_dir).items():
        for topic, raw_name in polled_topics(database).items():
            topics[topic] = Topic.of_polled(name, raw_name)
    return kafka, topics
