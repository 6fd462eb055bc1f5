"""One Kafka broker that is its own controller."""

import base64
import signal
import socket
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path

from ingestion.stack.jvm import LOG_SETTINGS, free_port, gather, java_command, log_settings, properties
from ingestion.stack.part import HOST, Facts, Run, Site

_SETTINGS = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "PLAINTEXT",
    "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
    "log.dirs": "log",  # below the data folder, where the server runs
    "auto.create.topics.enable": "false",
    "num.partitions": "1",
    "message.max.bytes": str(64 * 1024 * 1024),  # a row may hold long text
    "group.initial.rebalance.delay.ms": "0",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "4",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "share.coordinator.state.topic.num.partitions": "4",
    "log.cleaner.dedupe.buffer.size": str(16 * 1024 * 1024),
}
_FILE = "server.properties"


class Kafka:
    """KRaft, no accounts: whoever may connect to loopback may read and write. Topics are never made by accident."""

    name = "kafka"
    title = "Kafka 4.2.2"
    needs = ()
    sources = ()
    stop_signal = signal.SIGTERM
    drop_signal = signal.SIGKILL

    def unpack(self, artifacts: Sequence[Path], folder: Path) -> None:
        gather(artifacts, folder / "libs")

    def create(self, site: Site, run: Run) -> None:
        for name, text in self.files(site).items():
            (site.data / name).write_text(text, encoding="utf-8")
            (site.data / name).chmod(0o644)  # inside a folder that only the server's account may enter
        cluster = base64.urlsafe_b64encode(b"\0" + uuid.uuid4().bytes[1:]).decode().rstrip("=")
        run(java_command(site, "kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(site.data / _FILE)))

    def files(self, site: Site) -> Mapping[str, str]:
        broker, controller = f"{HOST}:{site.port or free_port()}", f"{HOST}:{free_port()}"
        places = {
            "listeners": f"PLAINTEXT://{broker},CONTROLLER://{controller}",
            "advertised.listeners": f"PLAINTEXT://{broker}",
            "controller.quorum.voters": f"1@{controller}",
        }
        return {_FILE: properties(_SETTINGS | places), LOG_SETTINGS: log_settings("warn")}

    def command(self, site: Site) -> list[str]:
        return java_command(site, "kafka.Kafka", str(site.data / _FILE))

    def facts(self, site: Site) -> Facts:
        return Facts("kafka", HOST, site.port, "", "", "")

    def ready(self, site: Site) -> bool:
        from confluent_kafka import KafkaException
        from confluent_kafka.admin import AdminClient

        try:
            socket.create_connection((HOST, site.port), timeout=2).close()
        except OSError:
            return False
        client = AdminClient({"bootstrap.servers": f"{HOST}:{site.port}", "log_level": 0})
        try:
            return bool(client.list_topics(timeout=2).brokers)
        except KafkaException:
            return False


PART = Kafka()
