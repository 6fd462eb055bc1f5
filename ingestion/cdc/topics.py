"""What is on Kafka, as far as operating connectors needs to know."""

import time
from collections.abc import Iterable

from confluent_kafka import Consumer, KafkaException, TopicPartition

from ingestion.cdc.clusters import KafkaCluster
from ingestion.cdc.entering import entered, next_step, reason
from ingestion.errors import RetryableError

_SECONDS = 10


def records(cluster: KafkaCluster, topic: str) -> int:
    """How many records the topic has taken in, transactions' marks included; 0 without the topic."""
    _, known = entered(cluster.client(), _SECONDS)
    numbers = known[topic].partitions if topic in known else ()
    if not numbers:
        return 0
    options = {**cluster.client(), "group.id": "frazil-look", "enable.auto.commit": False, "log_level": 0}
    consumer = Consumer(options)
    try:
        return sum(consumer.get_watermark_offsets(TopicPartition(topic, one), timeout=_SECONDS)[1] for one in numbers)
    except KafkaException as error:
        raise unreachable(cluster, error) from error
    finally:
        consumer.close()


def delete(cluster: KafkaCluster, topics: Iterable[str]) -> None:
    """Delete those that are there, and wait until they are gone."""
    client, known = entered(cluster.client(), _SECONDS)
    try:
        wanted = [topic for topic in topics if topic in known]
        for future in client.delete_topics(wanted).values() if wanted else ():
            future.result(_SECONDS)
        deadline = time.monotonic() + _SECONDS
        while set(wanted) & set(client.list_topics(timeout=_SECONDS).topics) and time.monotonic() < deadline:
            time.sleep(0.2)
    except KafkaException as error:
        raise unreachable(cluster, error) from error


def unreachable(cluster: KafkaCluster, error: KafkaException) -> RetryableError:
    """One line about a Kafka that does not answer."""
    met = error.args[0]
    return RetryableError(f"Kafka at {cluster.bootstrap} does not answer ({reason(met)}); {next_step(met)}")
