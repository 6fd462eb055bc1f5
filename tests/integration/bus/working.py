"""What makes processes use the test's Kafka, and the broker's death."""

import time
from typing import Any

import psutil
from confluent_kafka.admin import AdminClient

from ingestion.stack import Server as Part


def on_kafka(broker: Part) -> dict[str, Any]:
    """FRAZIL_ variables of processes that use the broker, without the prefix."""
    return {"bus": "kafka", "bus_partitions": "2", "kafka_bootstrap": broker.facts().address}


def fresh_topics(broker: Part) -> None:
    """No topic that another test has left."""
    client = AdminClient({"bootstrap.servers": broker.facts().address, "log_level": 0})
    names = [name for name in client.list_topics(timeout=20).topics if not name.startswith("__")]
    for future in client.delete_topics(names).values() if names else ():
        future.result(20)
    while set(client.list_topics(timeout=20).topics) & set(names):
        time.sleep(0.1)


def kill_broker(broker: Part) -> None:
    """At once, with all it was doing."""
    for process in psutil.process_iter(["pid", "cmdline"]):
        if str(broker.folder) in " ".join(process.info["cmdline"] or ()) and process.name() == "java":
            process.kill()
            process.wait(10)
