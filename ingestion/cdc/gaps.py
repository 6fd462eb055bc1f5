"""Where a partition goes on, and whether anything before that is lost: what a lake has read against what Kafka has now.

The one place that decides it, for the sinks of both kinds and for who tells how far they are behind.
"""

from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from typing import Any, NamedTuple, TypeVar

from confluent_kafka import KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._listoffsets import OffsetSpec

from ingestion.errors import PermanentError, RetryableError

Place = tuple[str, int]
_SECONDS = 10
_PAUSE, _LONGEST_PAUSE, _SHARE = 1.0, 30.0, 9
_SPEC: Any = OffsetSpec  # its methods have no types
_Asked = TypeVar("_Asked")
_NO_END = "its leader does not know its offsets yet"
_LEADERLESS = "it has no leader: the broker that holds it is away"


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


class Answers(NamedTuple):
    """What a broker told of partitions. `silent`: why it did not tell of these; it may when it is asked again."""

    ends: dict[Place, Ends]
    silent: dict[Place, str]

    def words(self, servers: str) -> str:
        """The silent ones in one line, with a reason."""
        topic, partition = place = min(self.silent)
        more = f" (and {len(self.silent) - 1} more)" if len(self.silent) > 1 else ""
        return f"Kafka at {servers} tells nothing of {topic}/{partition}{more}: {self.silent[place]}"


def ends_of(client: AdminClient, servers: str, places: Iterable[Place]) -> Answers:
    """As the broker has them now; partitions that are not there are left out.

    Raises RetryableError when it tells of none of those that are there.
    """
    places = list(places)
    if not places:
        return Answers({}, {})
    try:
        client.list_topics(timeout=_SECONDS)  # else whom it asks was told minutes ago, and may have died
        wanted = TopicCollection(sorted({topic for topic, _ in places}))
        topics, deaf = _answers(client.describe_topics(wanted, request_timeout=_SECONDS))
        silent = {place: deaf[place[0]] for place in places if place[0] in deaf}
        led = {place: one for place in places if (one := _partition(topics.get(place[0]), place[1])) is not None}
        silent |= dict.fromkeys((place for place in led if not led[place].leader), _LEADERLESS)
        first, end, untold = _offsets(client, [place for place in led if led[place].leader])
    except KafkaException as error:
        raise RetryableError(f"Kafka at {servers} does not answer: {error.args[0].str()}") from error
    ids = {topic: str(found.topic_id) for topic, found in topics.items()}
    ends = {place: Ends(ids[place[0]], first[place], end[place]) for place in first.keys() & end.keys()}
    answers = Answers(ends, silent | untold)
    if answers.silent and not ends:
        raise RetryableError(answers.words(servers))
    return answers


def pause_after(seconds: float, *, others_wait: bool) -> float:
    """Until those that were silent are asked for again, when asking took so many seconds.

    While one is asked for, nothing is read of others (`others_wait`): that is to be a small share of the time.
    """
    return min(max(_PAUSE, _SHARE * seconds), _LONGEST_PAUSE) if others_wait else _PAUSE


def _offsets(
    client: AdminClient, places: Sequence[Place]
) -> tuple[dict[Place, int], dict[Place, int], dict[Place, str]]:
    """The first offsets and the ends, and why some are not known. Asked at once: who is silent is waited for once."""
    if not places:
        return {}, {}, {}
    asked = [
        client.list_offsets({TopicPartition(*place): spec for place in places}, request_timeout=_SECONDS)
        for spec in (_SPEC.earliest(), _SPEC.latest())
    ]
    (first, deaf), (end, deaf_too) = (
        _answers({(part.topic, part.partition): future for part, future in one.items()}) for one in asked
    )
    both = first.keys() & end.keys()
    unknown = dict.fromkeys((place for place in both if min(first[place].offset, end[place].offset) < 0), _NO_END)
    return (
        {place: one.offset for place, one in first.items() if place not in unknown},
        {place: one.offset for place, one in end.items() if place not in unknown},
        deaf | deaf_too | unknown,
    )


def _partition(topic: Any, number: int) -> Any:
    return None if topic is None else next((one for one in topic.partitions if one.id == number), None)


def _answers(asked: Mapping[_Asked, Any]) -> tuple[dict[_Asked, Any], dict[_Asked, str]]:
    """What became of futures, and the reasons of those that failed; topics that are gone are in neither."""
    found, failed = {}, {}
    for one, future in asked.items():
        try:
            found[one] = future.result()
        except KafkaException as error:
            if error.args[0].code() not in (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError.UNKNOWN_TOPIC_ID):
                failed[one] = error.args[0].str()
    return found, failed
