"""config/kafka_clusters.yaml: where Kafka and Kafka Connect are, and how they are entered."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from ingestion.blocks import BlockFile
from ingestion.errors import UsageError

FILE = "kafka_clusters.yaml"


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Secrets(_Model):
    """Where Connect's workers find a source's password, so that no topic and no REST answer holds it.

    `{source}` in `path` is the source's name; `provider` is the name of a ConfigProvider of the workers.
    """

    provider: str = "file"
    path: str
    key: str = "password"

    def reference(self, source: str) -> str:
        return f"${{{self.provider}:{self.path.replace('{source}', source)}:{self.key}}}"


class ConnectAddress(_Model):
    """Kafka Connect's REST interface."""

    url: str = Field(pattern=r"^https?://[^\s/]+")
    user: str = ""
    password: SecretStr = SecretStr("")
    ca_file: Path | None = None
    secrets: Secrets | None = None
    converters: bool = Field(default=False, description="frazil-debezium.jar is in the workers' MariaDB plugin.")


class KafkaCluster(_Model):
    """One Kafka. Passwords come from the environment and are never logged. Files are PEM, as librdkafka reads them."""

    name: str
    bootstrap: str = Field(min_length=1)
    security: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    user: str = ""
    password: SecretStr = SecretStr("")
    ca_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None
    key_password: SecretStr = SecretStr("")
    partitions: int = Field(default=1, ge=1, description="Of a table's topic; with 1, its changes keep their order.")
    replication: int = Field(default=1, ge=1)
    connect: ConnectAddress

    @model_validator(mode="after")
    def _complete(self) -> "KafkaCluster":
        if self.security.startswith("SASL") and not (self.user and self.password.get_secret_value()):
            raise ValueError(f"security {self.security} needs user and password")
        if bool(self.certificate_file) != bool(self.key_file):
            raise ValueError("certificate_file and key_file go together")
        return self

    def client(self) -> dict[str, str]:
        """For librdkafka (confluent_kafka)."""
        found: dict[str, str] = {"bootstrap.servers": self.bootstrap, "security.protocol": self.security}
        if self.security.startswith("SASL"):
            password = self.password.get_secret_value()
            found |= {"sasl.mechanism": self.mechanism, "sasl.username": self.user, "sasl.password": password}
        files = {"ssl.ca.location": self.ca_file, "ssl.certificate.location": self.certificate_file}
        files["ssl.key.location"] = self.key_file
        found |= {name: str(path) for name, path in files.items() if path is not None}
        if self.key_password.get_secret_value():
            found["ssl.key.password"] = self.key_password.get_secret_value()
        return found

    def java(self) -> dict[str, str]:
        """For a Java client inside Connect: a connector's own history of schemas. Files must be there, too.

        Raises UsageError for key and certificate in two files: Java reads them from one.
        """
        if self.security == "PLAINTEXT":
            return {}
        found: dict[str, str] = {"security.protocol": self.security}
        if self.security.startswith("SASL"):
            module = "plain.Plain" if self.mechanism == "PLAIN" else "scram.Scram"
            account = f'username="{_inside(self.user)}" password="{_inside(self.password.get_secret_value())}"'
            found["sasl.mechanism"] = self.mechanism
            found["sasl.jaas.config"] = f"org.apache.kafka.common.security.{module}LoginModule required {account};"
        if self.ca_file is not None:
            found |= {"ssl.truststore.type": "PEM", "ssl.truststore.location": str(self.ca_file)}
        return found | self._java_key()

    def _java_key(self) -> dict[str, str]:
        if self.certificate_file is None:
            return {}
        if self.certificate_file != self.key_file:
            raise UsageError(
                f"{self.name}: Kafka Connect reads key and certificate from one file; put both into one in PEM, and "
                f"name it as certificate_file and as key_file in config/{FILE}"
            )
        found = {"ssl.keystore.type": "PEM", "ssl.keystore.location": str(self.certificate_file)}
        if self.key_password.get_secret_value():
            found["ssl.key.password"] = self.key_password.get_secret_value()
        return found


def _inside(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _secrets(block: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name in ("password", "key_password"):
        yield name, block.get(name)
    connect = block.get("connect")
    if isinstance(connect, dict):
        yield "connect.password", connect.get("password")


_FILE = BlockFile(FILE, KafkaCluster, "clusters", "cluster", "bootstrap and connect", _secrets)


def load_clusters(config_dir: Path, environment: Mapping[str, str] | None = None) -> dict[str, KafkaCluster]:
    """Every cluster of `config_dir`/kafka_clusters.yaml by name. Raises as BlockFile.load does."""
    return _FILE.load(config_dir, environment)


def cluster(config_dir: Path, name: str, environment: Mapping[str, str] | None = None) -> KafkaCluster:
    """The cluster called `name`; raises UsageError that lists the ones there are."""
    return _FILE.one(config_dir, load_clusters(config_dir, environment), name)
