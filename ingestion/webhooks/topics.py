"""Accepted deliveries to Kafka, each answered when every in-sync replica has it; without Kafka, to the journal.

A delivery of which Kafka did not say in time that it has it goes to the journal as well: it may then be in raw twice,
under one `_event_id`.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import NamedTuple

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from ingestion.cdc.clusters import KafkaCluster
from ingestion.cdc.entering import made, reason
from ingestion.cdc.making import ensure_topics
from ingestion.errors import FrazilError
from ingestion.lake.letters import headers_of, topic_of, topics_of
from ingestion.webhooks.ids import HOUR, ID_BYTES, KnownIds
from ingestion.webhooks.journal import Delivery
from ingestion.webhooks.sources import SourceConfig
from ingestion.webhooks.writer import GroupWriter, Stored

log = logging.getLogger(__name__)
_TIMEOUT_MS = 4_000  # the senders' own patience is 5 s and more
_MOST_BYTES = 8 << 20
_OF_ONE = (KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.INVALID_MSG, KafkaError.INVALID_MSG_SIZE)  # message, not Kafka
_PROBE_SECONDS = 1.0
_FORGET_SECONDS = 60.0
_SAY_AGAIN_SECONDS = 60.0


class Bus(NamedTuple):
    """The Kafka that deliveries go to; `partitions` of topics that are made."""

    cluster: KafkaCluster
    partitions: int


class _Sent(NamedTuple):
    key: bytes
    delivery: Delivery
    is_stored: bool


class TopicWriter:
    """Owns `journal` until `stop`; all methods belong to the event loop. `on_path` is told `kafka` or `journal` for
    each delivery that is stored, `on_state` whether Kafka is used."""

    def __init__(
        self,
        bus: Bus,
        sources: Mapping[str, SourceConfig],
        journal: GroupWriter,
        on_path: Callable[[str], None],
        on_state: Callable[[bool], None],
    ) -> None:
        self._bus, self._sources, self._journal = bus, sources, journal
        self._on_path, self._on_state = on_path, on_state
        self._topics = [
            name for source in sources.values() for name in topics_of(source.source, source.batch, list(source.objects))
        ]
        self._known = KnownIds(max(source.keep_ids_hours for source in sources.values()))
        self._oldest = max(source.keep_ids_hours for source in sources.values()) * HOUR
        self._flying: dict[bytes, list[Stored]] = {}
        self._flying_bytes = 0
        self._is_up = False
        self._loop = asyncio.get_running_loop()
        self._done: list[_Sent] = []  # the thread's own
        self._lost: KafkaError | None = None  # the thread's own, as the next four are
        self._answers, self._probe_at, self._say_at = False, 0.0, 0.0
        self._forget_at = time.monotonic() + _FORGET_SECONDS
        self._is_stopping = False
        self._producer = self._new_producer()
        self._thread = threading.Thread(target=self._run, name="bus", daemon=True)
        self._thread.start()

    @property
    def waiting_bytes(self) -> int:
        """Bytes of bodies that are neither stored nor refused yet."""
        return self._flying_bytes + self._journal.waiting_bytes

    @property
    def problem(self) -> str | None:
        """See GroupWriter.problem; while Kafka takes all, none."""
        return self._journal.problem

    def submit(self, delivery: Delivery, stored: Stored) -> None:
        """See GroupWriter.submit."""
        key = delivery.delivery_id
        if len(key) != ID_BYTES:
            key = sha256(key).digest()[:ID_BYTES]
        waiting = self._flying.get(key)
        if waiting is not None:
            waiting.append(stored)
        elif key in self._known:
            stored(False)
        elif self._is_up and self._produced(key, delivery):
            self._flying[key] = [stored]
            self._flying_bytes += len(delivery.body)
        else:
            self._to_journal(key, delivery, stored)

    async def stop(self) -> None:
        """Wait until all is stored here or there, then end the thread and the journal."""
        while self._flying:
            await asyncio.sleep(0.01)
        self._is_stopping = True
        await asyncio.to_thread(self._thread.join)
        await self._journal.stop()

    def _to_journal(self, key: bytes, delivery: Delivery, stored: Stored) -> None:
        def told(is_new: bool | None) -> None:
            if is_new:
                self._known.add(key, delivery.received_at)
                self._on_path("journal")
            stored(is_new)

        self._journal.submit(delivery, told)

    def _produced(self, key: bytes, delivery: Delivery) -> bool:
        source = self._sources[delivery.source]
        topic = topic_of(delivery.source, source.batch, delivery.object, delivery.reason)

        def told(error: KafkaError | None, _: Message) -> None:
            self._done.append(_Sent(key, delivery, error is None))
            if error is not None and error.code() not in _OF_ONE:
                self._lost = error

        try:
            self._producer.produce(topic, delivery.body, headers=headers_of(delivery), on_delivery=told)
        except (BufferError, KafkaException) as error:
            log.warning("not_produced", extra={"topic": topic, "reason": str(error), "next": "journal"})
            return False
        return True

    def _settled(self, sent: list[_Sent]) -> None:
        for key, delivery, is_stored in sent:
            answers = self._flying.pop(key)
            self._flying_bytes -= len(delivery.body)
            if not is_stored:
                for stored in answers:
                    self._to_journal(key, delivery, stored)
                continue
            self._known.add(key, delivery.received_at)
            self._on_path("kafka")
            for number, stored in enumerate(answers):
                _answered(stored, number == 0)

    def _became(self, is_up: bool, why: str) -> None:
        if is_up != self._is_up:
            log.warning("bus_state", extra={"servers": self._bus.cluster.bootstrap, "up": is_up, "reason": why})
        self._is_up = is_up
        self._on_state(is_up)

    def _forget(self) -> None:
        self._known.forget_before(time.time_ns() // 1_000 - self._oldest)

    # The thread's part: Kafka's answers, and whether it is there

    def _run(self) -> None:
        while not self._is_stopping:
            try:
                self._round()
            except Exception:  # whatever it is: requests wait for this thread, so it goes on
                log.exception("bus_round_failed")
                time.sleep(0.1)

    def _round(self) -> None:
        self._producer.poll(0.02)
        if self._lost is not None:
            lost, self._lost = self._lost, None
            self._answers = False
            self._loop.call_soon_threadsafe(self._became, False, reason(lost))
            self._producer.purge()
            self._producer.poll(0)
            if lost.fatal():
                self._producer = self._new_producer()
            self._lost = None  # what was purged says so, too
        if self._done:
            done, self._done = self._done, []
            self._loop.call_soon_threadsafe(self._settled, done)
        now = time.monotonic()
        if not self._answers and now >= self._probe_at:
            self._answers = self._probed()
            self._probe_at = time.monotonic() + _PROBE_SECONDS
        if now >= self._forget_at:
            self._forget_at = now + _FORGET_SECONDS
            self._loop.call_soon_threadsafe(self._forget)

    def _probed(self) -> bool:
        """Whether Kafka answers and has every topic; why not is told at the first try, and now and then again."""
        try:
            ensure_topics(self._bus.cluster, self._topics, self._bus.partitions, seconds=2, most_bytes=_MOST_BYTES)
        except FrazilError as error:
            if time.monotonic() >= self._say_at:
                self._say_at = time.monotonic() + _SAY_AGAIN_SECONDS
                facts = {"servers": self._bus.cluster.bootstrap, "up": False, "reason": str(error)}
                log.warning("bus_state", extra={**facts, "next": "the journal takes deliveries; tried again"})
            return False
        self._lost, self._say_at = None, 0.0
        self._loop.call_soon_threadsafe(self._became, True, "it answers")
        return True

    def _new_producer(self) -> Producer:
        return made(
            Producer,
            {
                **self._bus.cluster.client(),
                "acks": "all",
                "enable.idempotence": "true",
                "linger.ms": "2",
                "message.max.bytes": str(_MOST_BYTES),
                "message.timeout.ms": str(_TIMEOUT_MS),
                "socket.keepalive.enable": "true",
                "reconnect.backoff.max.ms": "1000",
                "log_level": "0",  # what matters comes to `error_cb`
                "error_cb": self._error,
            },
        )

    def _error(self, error: KafkaError) -> None:
        if error.fatal() or error.code() == KafkaError._ALL_BROKERS_DOWN:
            self._lost = error


def _answered(stored: Stored, is_new: bool) -> None:
    try:
        stored(is_new)
    except Exception:  # one broken connection must not keep the others from their answers
        log.exception("webhook_answer_failed")
