"""All settings of one process, read once from the environment and `.env`, and passed on."""

import re
from functools import cached_property
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, SettingsConfigDict

PROJECT_ROOT = Path(__file__).resolve().parent.parent
_ODD = re.compile(r"[\s?#\x00-\x20\x7f]")  # no part of a URL that others are put behind


class Settings(BaseSettings):
    """Each field `x` is the environment variable `FRAZIL_X`; `.env.example` and docs/reference list them.

    An empty variable is as if it were not set. Secrets of webhook sources are not here: config/webhooks/<source>.yaml
    names the variable.
    """

    model_config = SettingsConfigDict(
        env_prefix="FRAZIL_", env_file=PROJECT_ROOT / ".env", env_ignore_empty=True, extra="ignore"
    )

    profile: Literal["embedded", "cluster"] = Field(
        default="embedded", description="Where the lake's catalog is: a file in FRAZIL_HOME; no other is there yet."
    )
    home: Path = Field(default=PROJECT_ROOT / ".frazil", description="State: lake, journals, jars, logs.")
    config_dir: Path = Field(default=PROJECT_ROOT / "config", description="Folder of webhooks/*.yaml.")
    public_base_url: str = Field(
        default="http://127.0.0.1:8090", description="URL senders post to, up to /webhooks; HubSpot signs it."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Least that is logged: debug, info, warning or error."
    )
    log_dir: Path | None = Field(default=None, description="Folder of frazil.log, beside standard error; unset: none.")
    spark_memory: str = Field(default="2g", description="Heap of the Spark driver.")
    threads: int = Field(default=4, ge=1, le=64, description="dbt models built at the same time.")
    webhook_body_bytes: int = Field(default=2 * 1024 * 1024, ge=1024, description="Largest body; above it 413.")
    webhook_arriving_bytes: int = Field(
        default=64 * 1024 * 1024,
        ge=1024,
        description="All bodies of a worker that are not whole yet; for more, the oldest one gets 503.",
    )
    webhook_header_seconds: float = Field(default=10, gt=0, description="Headers slower than this are cut (408).")
    webhook_body_seconds: float = Field(default=30, gt=0, description="A body slower than this is cut (408).")
    webhook_requests_per_second: float = Field(
        default=0, ge=0, description="Per source and worker, above it 429; 0 is without limit; a source's file wins."
    )
    webhook_samples_per_minute: int = Field(
        default=10, ge=0, description="Wrongly signed requests kept, per worker, of each 16 KiB of its body."
    )
    disk_floor_bytes: int = Field(default=256 * 1024 * 1024, ge=0, description="Less free space answers 503.")
    queue_ceiling: int = Field(
        default=1_000_000, ge=1, description="Deliveries waiting for the sink, per worker; above it 503."
    )

    bus: Literal["journal", "kafka"] = Field(
        default="journal", description="What webhooks and polled rows go through on their way to raw."
    )
    bus_cluster: str = Field(default="default", description="The Kafka of config/kafka_clusters.yaml for the bus.")
    bus_partitions: int = Field(default=4, ge=1, le=1000, description="Of each webhook topic that is made.")

    alert_urls: list[SecretStr] = Field(
        default=[],
        description='Where failed tasks and late runs are told, as apprise writes addresses: ["mailto://..."].',
    )
    airflow_port: int = Field(default=8086, ge=0, le=65535, description="Airflow's page, on 127.0.0.1.")
    airflow_schedule: str = Field(default="0 * * * *", description="Cron (UTC) of the pipeline, beside new data.")
    airflow_poll_seconds: float = Field(default=60, gt=0, description="How often Airflow looks for new data.")
    airflow_deadline_minutes: float = Field(default=60, gt=0, description="A pipeline run still going then is late.")

    stack_dir: Path | None = Field(
        default=None, description="Programs and data of `frazil stack`; FRAZIL_HOME/stack unless set."
    )
    stack_ports: dict[str, int] = Field(
        default={}, description='Fixed ports of the stack, as JSON: {"postgres": 5432}; else a free one.'
    )
    stack_java_options: list[str] = Field(
        default=[],
        description='More options for the Java of Kafka and Connect, as JSON: ["-Xmx4g"]; they win over ours.',
    )

    @field_validator("public_base_url")
    @classmethod
    def _is_base_url(cls, url: str) -> str:
        if not _is_base_url(url):
            raise PydanticCustomError("base_url", "write http://host:port or https://host, without a query")
        return url

    @cached_property
    def home_dir(self) -> Path:
        """`home` as an absolute path: Iceberg metadata holds it, so the folder cannot be moved later."""
        return self.home.expanduser().resolve()

    @property
    def catalog_uri(self) -> str:
        return f"sqlite:///{self.home_dir}/catalog.db"

    @property
    def warehouse(self) -> str:
        return f"file://{self.home_dir}/warehouse"

    @property
    def steps_dir(self) -> Path:
        """What builds keep until they are done; profiles.yml tells Spark of it."""
        return self.home_dir / "steps"

    @property
    def journal_dir(self) -> Path:
        return self.home_dir / "journal"

    @property
    def variables_dir(self) -> Path:
        """Files `<part>.env` of the servers that `frazil stack` started: how sources.yaml finds them."""
        return self.home_dir / "stack"

    @property
    def connectors_dir(self) -> Path:
        """Each followed source's connector as `<source>.json`, for people and other tools."""
        return self.home_dir / "debezium"

    @property
    def jars_dir(self) -> Path:
        return self.home_dir / "jars"


def _is_base_url(url: str) -> bool:
    """A path is allowed: a proxy may have one that it does not pass on."""
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0 and not _ODD.search(url)
    except ValueError:  # of a host or port that is none
        return False
