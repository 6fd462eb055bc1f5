"""Where a partition goes on, and whether anything before that is lost: what a lake has read against what Kafka has now.

The one place that decides it, for the sinks of both kinds and for who tells how far they are behind.
"""

from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Any, NamedTuple

from confluent_kafka import KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._listoffsets import OffsetSpec

from ingestion.errors import PermanentError, RetryableError

Place = tuple[str, int]
_SECONDS = 10
_SPEC: Any = OffsetSpec  # its methods have no types


class Ends(NamedTuple):
    """Of a partition as Kafka has it: its topic's id, the first offset that is kept, and the one behind the last."""

    topic_id: str
    first: int
    end: int


class Gap(Enum):
    """Why messages may be lost; the value is told, with the partition before it."""

    ANEW = "was deleted and made anew: what the old one held and raw does not is lost here"
    GONE = "no longer has offset {next}, where raw ends: what was in between is lost here"
    UNREAD = "had its first {first} messages deleted before raw had read any: they may be lost here"

    def words(self, servers: str, place: Place, next_offset: int | None, ends: Ends) -> str:
        topic = f"Kafka at {servers}: {place[0]}/{place[1]}"
        return f"{topic} {self.value.format(next=next_offset, first=ends.first)}"


class GapError(PermanentError):
    """Kafka does not have what comes next in a partition."""


def gap(next_offset: int | None, topic_id: str, ends: Ends) -> Gap | None:
    """What is lost before `next_offset` of the topic with the id ('' if unknown); None offset: nothing was read yet."""
    if next_offset is None:
        return Gap.UNREAD if ends.first > 0 else None
    if topic_id not in ("", ends.topic_id):
        return Gap.ANEW
    return None if ends.first <= next_offset <= ends.end else Gap.GONE


def ends_of(client: AdminClient, servers: str, places: Iterable[Place]) -> dict[Place, Ends]:
    """As the broker has them now; partitions of a topic that is not there are left out.

    Raises RetryableError when it does not answer.
    """
    parts = [TopicPartition(*place) for place in places]
    if not parts:
        return {}
    try:
        asked = client.describe_topics(TopicCollection(sorted({one.topic for one in parts})), request_timeout=_SECONDS)
        ids = {topic: _known(future) for topic, future in asked.items()}
        there = [one for one in parts if ids[one.topic] is not None]
        first, end = (_offsets(client, there, spec) for spec in (_SPEC.earliest(), _SPEC.latest()))
    except KafkaException as error:
        raise RetryableError(f"Kafka at {servers} does not answer: {error.args[0].str()}") from error
    return {place: Ends(str(ids[place[0]].topic_id), first[place], end[place]) for place in first.keys() & end.keys()}


def _offsets(client: AdminClient, parts: list[TopicPartition], spec: OffsetSpec) -> Mapping[Place, int]:
    if not parts:
        return {}
    asked = client.list_offsets(dict.fromkeys(parts, spec), request_timeout=_SECONDS)
    found = {(part.topic, part.partition): _known(future) for part, future in asked.items()}
    return {place: one.offset for place, one in found.items() if one is not None}


def _known(future: Any) -> Any:
    """None for a topic that is gone."""
    try:
        return future.result()
    except KafkaException as error:
        if error.args[0].code() in (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError.UNKNOWN_TOPIC_ID):
            return None
        raise
