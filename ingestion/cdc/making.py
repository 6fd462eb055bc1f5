"""Topics that are made by us, not by Debezium."""

from collections.abc import Iterable

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.cimpl import NewTopic

from ingestion.cdc.clusters import KafkaCluster
from ingestion.cdc.entering import entered
from ingestion.cdc.topics import unreachable


def ensure_topics(
    cluster: KafkaCluster, names: Iterable[str], partitions: int, *, seconds: float = 10, most_bytes: int = 1 << 20
) -> None:
    """Make those that are absent; one that is there is left as it is. Raises as `entered` does."""
    client, known = entered(cluster.client(), seconds)
    try:
        options = {"max.message.bytes": str(most_bytes)}
        missing = sorted(set(names) - known.keys())
        wanted = [NewTopic(name, partitions, cluster.replication, config=options) for name in missing]
        for future in client.create_topics(wanted).values() if wanted else ():
            try:
                future.result(seconds)
            except KafkaException as error:
                if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                    raise
    except KafkaException as error:
        raise unreachable(cluster, error) from error
