"""The sink's consumer: partitions by the group, places from the lake, committed transactions alone."""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from confluent_kafka import OFFSET_END, Consumer, KafkaError, KafkaException, Message, TopicPartition
from confluent_kafka.admin import AdminClient

from ingestion.cdc.entering import entered, made, next_step, reason
from ingestion.cdc.gaps import Answers, Place, ends_of
from ingestion.errors import FrazilError, RetryableError

log = logging.getLogger(__name__)
MARKS_SECONDS = 600.0  # until a mark without rows is worth a commit: far less than Kafka keeps messages
_SAY_AGAIN_AFTER = 30.0  # seconds between two lines about the same trouble
_LOST = (KafkaError.OFFSET_OUT_OF_RANGE, KafkaError._AUTO_OFFSET_RESET)
_PASSING = (
    KafkaError._ALL_BROKERS_DOWN,
    KafkaError._TRANSPORT,
    KafkaError._RESOLVE,
    KafkaError._MAX_POLL_EXCEEDED,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError._UNKNOWN_PARTITION,
    KafkaError._UNKNOWN_TOPIC,
)


class Stream:
    """The topics like `pattern` that the group gives this process.

    `given` and `taken` are called when partitions come and go, with those that were lost without a word as lost. The
    group waits meanwhile, so lake and broker are not asked where to begin then: what is read of a partition counts from
    its first `seek` on. `lost` are those that Kafka refused to go on with; whoever looks takes them away.
    """

    def __init__(
        self,
        config: Mapping[str, str],
        group: str,
        pattern: str,
        given: Callable[[Sequence[Place]], None],
        taken: Callable[[Sequence[Place], bool], None],
    ) -> None:
        self.servers = config["bootstrap.servers"]
        self._config, self._given, self._taken = dict(config), given, taken
        self._said: dict[str, float] = {}
        self._admin: AdminClient | None = None
        self.ended: dict[Place, int] = {}  # partitions of which all that can be read was read, and where they end
        self.lost: set[Place] = set()
        self._arriving: set[Place] = set()  # partitions whose end, where they are taken up, is being asked for
        self._lock = threading.Lock()
        self.is_assigned = False
        self._trouble: FrazilError | None = None
        self._consumer = made(
            Consumer,
            {
                **config,
                "group.id": group,
                "client.id": f"frazil-sink-{group}",
                "isolation.level": "read_committed",
                "enable.auto.commit": "false",
                "auto.offset.reset": "error",
                "enable.partition.eof": "true",
                "topic.metadata.refresh.interval.ms": "5000",
                "max.poll.interval.ms": "600000",
                "session.timeout.ms": "6000",
                "heartbeat.interval.ms": "2000",
                "log_level": "0",  # what matters comes to `error_cb`
                "fetch.wait.max.ms": "100",
                "fetch.message.max.bytes": "4194304",
                "queued.max.messages.kbytes": "65536",
                "fetch.queue.backoff.ms": "20",  # else a queue that was full once is left empty for a second
                "socket.keepalive.enable": "true",
                "error_cb": self._error,
            },
        )
        self._consumer.subscribe([pattern], on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._gone)

    def read(self, most: int, seconds: float) -> list[Message]:
        """What is there, at most so many, or nothing after so many seconds.

        Raises RetryableError when Kafka said no, after everything that came before that was given.
        """
        if self._trouble is not None:
            found, self._trouble = self._trouble, None
            raise found
        try:
            messages = self._consumer.consume(most, timeout=seconds)
        except KafkaException as error:
            raise RetryableError(f"Kafka at {self.servers}: {error.args[0].str()}") from error
        troubles = list(map(Message.error, messages))
        if not any(troubles):
            self._came(messages)
            return messages
        good: list[Message] = []
        begin = 0
        for number, trouble in enumerate(troubles):
            if trouble is None:
                continue
            good += self._came(messages[begin:number])
            begin = number + 1
            message = messages[number]
            if trouble.code() == KafkaError._PARTITION_EOF:
                self.ended[_place(message)] = message.offset() or 0
                self._arriving.discard(_place(message))
            elif trouble.code() in _LOST:
                self.lost.add(_place(message))
                self._arriving.discard(_place(message))
            elif trouble.code() in _PASSING:
                self._say(trouble)
            else:
                self._trouble = RetryableError(f"Kafka at {self.servers}: {trouble.str()}")
        good += self._came(messages[begin:])
        return good

    def _came(self, messages: list[Message]) -> list[Message]:
        """Of the partitions of these, which are given back, more was to be read. Most partitions wait at their ends, so
        places are looked at once a batch and not once a message."""
        if messages and (self.ended or self._arriving):
            places: set[Any] = set(zip(map(Message.topic, messages), map(Message.partition, messages), strict=True))
            self._arriving -= places
            for place in places & self.ended.keys():
                del self.ended[place]
        return messages

    def seek(self, place: Place, offset: int) -> bool:
        """Go on from there; False if that cannot be said yet, and then nothing may be taken from the partition."""
        if place in self._arriving:  # the answer, if it came after the seek, might count for more
            return False
        self.ended.pop(place, None)
        try:
            self._consumer.seek(TopicPartition(*place, offset))
        except KafkaException as error:
            log.info("seek_delayed", extra={"topic": place[0], "partition": place[1], "reason": str(error)})
            return False
        return True

    def pause(self, places: Iterable[Place]) -> None:
        self._consumer.pause([TopicPartition(*place) for place in places])

    def ends(self, places: Iterable[Place]) -> Answers:
        """See `ends_of`."""
        if self._admin is None:
            self._admin = made(AdminClient, {**self._config, "log_level": 0})
        return ends_of(self._admin, self.servers, places)

    def known_end(self, place: Place) -> int:
        """The end as the last fetch saw it; -1 if none did."""
        try:
            return int(self._consumer.get_watermark_offsets(TopicPartition(*place), cached=True)[1])
        except KafkaException:
            return -1

    def topics(self, seconds: float = 10) -> list[str]:
        """All topics of the cluster. Raises as `entered` does."""
        return sorted(entered(self._config, seconds)[1])

    def tell(self, offsets: Mapping[Place, int]) -> None:
        """Let the broker know how far all is dealt with: for those who watch the group's lag, no sink reads it."""
        parts = [TopicPartition(*place, offset) for place, offset in offsets.items()]
        if parts:
            try:
                self._consumer.commit(offsets=parts, asynchronous=True)
            except KafkaException as error:
                log.info("offsets_not_told", extra={"reason": str(error)})

    def close(self) -> None:
        """Leave the group; partitions go to others."""
        self._consumer.close()

    def _assigned(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self.ended.clear()
        self.lost.clear()
        self._arriving = {(found.topic, found.partition) for found in partitions}
        self._given(list(self._arriving))
        for found in partitions:
            found.offset = OFFSET_END  # until it is said where
        consumer.assign(partitions)
        self.is_assigned = True

    def _revoked(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._told(partitions, are_lost=False)

    def _gone(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._told(partitions, are_lost=True)

    def _told(self, partitions: list[TopicPartition], *, are_lost: bool) -> None:
        try:
            self._taken([(found.topic, found.partition) for found in partitions], are_lost)
        except FrazilError as error:  # from here it would take what was read with it
            self._trouble = error

    def _error(self, error: KafkaError) -> None:
        self._say(error)

    def _say(self, error: KafkaError) -> None:
        """One line about each kind of trouble, not one for each try."""
        with self._lock:
            now = time.monotonic()
            if now - self._said.get(error.name(), float("-inf")) < _SAY_AGAIN_AFTER:
                return
            self._said[error.name()] = now
        log.warning(
            "kafka_trouble",
            extra={"servers": self.servers, "reason": reason(error), "next": f"tried again; {next_step(error)}"},
        )


def _place(message: Message) -> Place:
    topic, partition = message.topic(), message.partition()
    assert topic is not None
    assert partition is not None
    return topic, partition
