"""Polled rows through a Kafka topic: a poll is a transaction, so that its rows and how far it came are there or not.

The newest poller of a table keeps others out: Kafka refuses the transactions of an older one.
"""

import time
from collections.abc import Callable, Iterator, Sequence

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient
from pyiceberg.catalog import Catalog
from sqlalchemy.exc import SQLAlchemyError

from ingestion.cdc.clusters import KafkaCluster
from ingestion.cdc.entering import made
from ingestion.cdc.making import ensure_topics
from ingestion.cdc.topics import unreachable
from ingestion.errors import PermanentError, RetryableError
from ingestion.lake.append import MARK_PREFIX
from ingestion.lake.letters import delivery_of, headers_of
from ingestion.webhooks.journal import Delivery

_SECONDS = 15.0
_PARTITION = 0  # one, whatever the topic has: the last row of a poll says that all before it are there


class TopicBus:
    """See Bus. Messages are the rows alone, as JSON; what else is known of them is in their headers."""

    def __init__(self, cluster: KafkaCluster, catalog: Catalog, raw_name: str, topic: str) -> None:
        self._cluster, self._catalog, self._raw_name, self._topic = cluster, catalog, raw_name, topic
        self._producer: Producer | None = None

    def waiting(self) -> Iterator[Delivery]:
        """See Bus.waiting."""
        ensure_topics(self._cluster, [self._topic], 1)
        try:
            self._producer = self._new_producer()
            yield from self._committed()
        except KafkaException as error:
            raise unreachable(self._cluster, error) from error

    def send(self, deliveries: Sequence[Delivery]) -> None:
        """See Bus.send: all of them, or none."""
        producer = self._producer
        if producer is None:
            raise RetryableError(f"{self._topic}: the last transaction failed")
        self._producer = None  # until it is known what became of them
        failed: list[KafkaError] = []

        def told(error: KafkaError | None, _: Message) -> None:
            if error is not None:
                failed.append(error)

        try:
            producer.begin_transaction()
            for delivery in deliveries:
                while not self._produced(producer, delivery, told):
                    producer.poll(0.1)
            producer.flush(_SECONDS)
            if failed:
                raise KafkaException(failed[0])
            producer.commit_transaction(_SECONDS)
        except KafkaException as error:
            if error.args[0].code() in (KafkaError._FENCED, KafkaError.INVALID_PRODUCER_EPOCH):
                raise PermanentError(f"{self._topic}: another poller of {self._raw_name} has taken over") from error
            raise RetryableError(f"{self._topic}: {error.args[0].str()}") from error
        self._producer = producer

    def depth(self) -> int:
        """See Bus.depth: Kafka keeps what waits."""
        return 0

    def close(self) -> None:
        self._producer = None

    def _new_producer(self) -> Producer:
        """Ends the transactions of every producer before it."""
        producer = made(
            Producer,
            {
                **self._cluster.client(),
                "transactional.id": f"frazil-poll-{self._raw_name}",
                "transaction.timeout.ms": "300000",
                "acks": "all",
                "linger.ms": "5",
                "log_level": "0",
            },
        )
        producer.init_transactions(_SECONDS)
        return producer

    def _produced(
        self, producer: Producer, delivery: Delivery, told: Callable[[KafkaError | None, Message], None]
    ) -> bool:
        try:
            producer.produce(
                self._topic, delivery.body, partition=_PARTITION, headers=headers_of(delivery), on_delivery=told
            )
        except BufferError:
            return False
        return True

    def _committed(self) -> Iterator[Delivery]:
        """From where the lake ends to the end.

        A broker that died may have lost the end of a transaction that it had confirmed: nothing behind it can be read
        until the same producer ends another one. Its rows were not seen by anybody, and are found again.
        """
        place = TopicPartition(self._topic, _PARTITION)
        options = {"group.id": "frazil-poll", "enable.auto.commit": "false", "enable.partition.eof": "true"}
        safe = {"isolation.level": "read_committed", "auto.offset.reset": "earliest", "log_level": "0"}
        consumer = Consumer({**self._cluster.client(), **options, **safe})
        try:
            place.offset = self._mark()
            consumer.assign([place])
            deadline, is_ended = time.monotonic() + _SECONDS, False
            while True:
                for message in consumer.consume(1000, timeout=0.5):
                    error = message.error()
                    deadline = time.monotonic() + _SECONDS
                    if error is None:
                        yield delivery_of(message, "", b'{"table":"","position":"","event":""}')
                    elif error.code() == KafkaError._PARTITION_EOF:
                        if (message.offset() or 0) >= consumer.get_watermark_offsets(place, cached=True)[1]:
                            return
                        if not is_ended:
                            is_ended = True
                            self._end_transaction()
                    else:
                        raise KafkaException(error)
                if time.monotonic() > deadline:
                    raise RetryableError(f"Kafka at {self._cluster.bootstrap} does not give what {self._topic} holds")
        finally:
            consumer.close()

    def _end_transaction(self) -> None:
        """End whatever of ours is open, by a transaction that is given up."""
        assert self._producer is not None
        self._producer.begin_transaction()
        self._producer.produce(self._topic, b"", partition=_PARTITION)
        self._producer.flush(_SECONDS)
        self._producer.abort_transaction(_SECONDS)

    def _mark(self) -> int:
        admin = AdminClient({**self._cluster.client(), "log_level": 0})
        (asked,) = admin.describe_topics(TopicCollection([self._topic]), request_timeout=_SECONDS).values()
        name = f"{MARK_PREFIX}kafka:{self._topic}/{_PARTITION}:{asked.result().topic_id}"
        try:
            return int(self._catalog.load_table(self._raw_name).properties.get(name, 0))
        except (SQLAlchemyError, OSError) as error:
            raise RetryableError(f"{self._raw_name}: the lake does not answer ({error})") from error
