"""Kafka Connect, one worker, with Debezium for PostgreSQL, MariaDB, MySQL and Oracle."""

import shutil
import signal
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import requests

from ingestion.runtime.java import find_java
from ingestion.stack.javac import SOURCES, compile_jar
from ingestion.stack.jvm import LOG_SETTINGS, gather, java_command, log_settings, properties
from ingestion.stack.part import HOST, Facts, Run, Site

CONVERTERS = "frazil-debezium.jar"  # of java/: it lies in the plugin that it is for
_JSON = "org.apache.kafka.connect.json.JsonConverter"
_SETTINGS = {
    "group.id": "frazil-connect",
    "rest.advertised.host.name": HOST,
    "key.converter": _JSON,
    "key.converter.schemas.enable": "false",
    "value.converter": _JSON,
    "value.converter.schemas.enable": "false",
    "offset.storage.topic": "connect.offsets",
    "offset.storage.replication.factor": "1",
    "offset.storage.partitions": "4",
    "config.storage.topic": "connect.configs",
    "config.storage.replication.factor": "1",
    "status.storage.topic": "connect.status",
    "status.storage.replication.factor": "1",
    "status.storage.partitions": "4",
    "exactly.once.source.support": "enabled",
    "plugin.discovery": "service_load",
    "topic.creation.enable": "true",
    "offset.flush.interval.ms": "1000",
    "scheduled.rebalance.max.delay.ms": "0",
    "connector.client.config.override.policy": "All",
    "producer.max.request.size": str(64 * 1024 * 1024),
    # Passwords are read from files on the worker, so that neither a topic nor the REST interface shows them.
    "config.providers": "file",
    "config.providers.file.class": "org.apache.kafka.common.config.provider.FileConfigProvider",
}
_FILE = "connect.properties"
_QUIET = {"org.apache.kafka": "warn", "org.eclipse.jetty": "warn", "org.glassfish": "warn", "org.reflections": "error"}


class Connect:
    """REST without accounts on loopback: whoever may connect may change connectors."""

    name = "connect"
    title = "Kafka Connect 4.3.1 with Debezium 3.5.0"
    needs = ("kafka",)
    sources = tuple(sorted(SOURCES.rglob("*.java")))
    stop_signal = signal.SIGTERM
    drop_signal = signal.SIGKILL

    def unpack(self, artifacts: Sequence[Path], folder: Path) -> None:
        plugins = [path for path in artifacts if path.name.endswith(".tar.gz")]
        driver, compiler = (next(path for path in artifacts if path.name.startswith(name)) for name in ("ojdbc", "ecj"))
        gather([path for path in artifacts if path not in (*plugins, driver, compiler)], folder / "libs")
        for path in plugins:
            with tarfile.open(path) as tar:
                # Python before 3.11.4 has no filters; the archive is known by its sha256, so none is needed.
                tar.extraction_filter = getattr(tarfile, "data_filter", None)
                tar.extractall(folder / "plugins")  # noqa: S202
        shutil.copyfile(driver, folder / "plugins" / "debezium-connector-oracle" / driver.name)
        mariadb = folder / "plugins" / "debezium-connector-mariadb"
        compile_jar(mariadb / CONVERTERS, compiler, sorted(mariadb.glob("*.jar")), find_java(folder.parent))

    def create(self, site: Site, run: Run) -> None:
        """Its state is in Kafka's topics."""

    def files(self, site: Site) -> Mapping[str, str]:
        places = {
            "bootstrap.servers": site.peers["kafka"].address,
            "listeners": f"http://{HOST}:{site.port}",
            "plugin.path": str(site.programs / "plugins"),
        }
        levels = log_settings("info", **_QUIET)
        return {_FILE: properties(_SETTINGS | places), LOG_SETTINGS: levels}

    def command(self, site: Site) -> list[str]:
        main = "org.apache.kafka.connect.cli.ConnectDistributed"
        return java_command(site, main, str(site.data / _FILE), heap="1g")

    def facts(self, site: Site) -> Facts:
        return Facts("http", HOST, site.port, "", "", "")

    def ready(self, site: Site) -> bool:
        try:  # "/" answers 404 while it starts
            return requests.get(f"http://{HOST}:{site.port}/connectors", timeout=5).status_code == 200
        except requests.RequestException:
            return False


PART = Connect()
