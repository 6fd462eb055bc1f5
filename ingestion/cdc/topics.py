"""What is on Kafka, as far as operating connectors needs to know."""

import time
from collections.abc import Iterable

from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from ingestion.cdc.clusters import KafkaCluster
from ingestion.errors import RetryableError

_SECONDS = 10


def records(cluster: KafkaCluster, topic: str) -> int:
    """How many records the topic has taken in, transactions' marks included; 0 without the topic."""
    options = {**cluster.client(), "group.id": "frazil-look", "enable.auto.commit": False, "log_level": 0}
    consumer = Consumer(options)
    try:
        found = consumer.list_topics(timeout=_SECONDS).topics.get(topic)
        numbers = found.partitions if found is not None else ()
        return sum(consumer.get_watermark_offsets(TopicPartition(topic, one), timeout=_SECONDS)[1] for one in numbers)
    except KafkaException as error:
        raise unreachable(cluster, error) from error
    finally:
        consumer.close()


def delete(cluster: KafkaCluster, topics: Iterable[str]) -> None:
    """Delete those that are there, and wait until they are gone."""
    client = AdminClient({**cluster.client(), "log_level": 0})
    try:
        known = client.list_topics(timeout=_SECONDS).topics
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
    return RetryableError(
        f"Kafka at {cluster.bootstrap} does not answer ({error.args[0].str()}); "
        "see that it runs (`frazil stack status kafka`) and that config/kafka_clusters.yaml has its address"
    )
