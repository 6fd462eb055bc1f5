"""config/sources.yaml: the databases, how they are reached, and what is decided for their tables and columns."""

import re
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from ingestion.blocks import BlockFile
from ingestion.bulk.model import Policy

FILE = "sources.yaml"
DialectName = Literal["postgres", "mysql", "oracle"]
Mode = Literal["bulk", "cdc", "poll"]
Contract = Literal["evolve", "freeze", "discard_row", "discard_value"]
_PORTS = {"postgres": 5432, "mysql": 3306, "oracle": 1521}
_NUMBER = re.compile(r"text|double|decimal\((\d{1,2}),\s*(\d{1,2})\)")


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Tls(_Model):
    """`mode` in PostgreSQL's words; `verify_full` also compares the certificate with the host's name."""

    mode: Literal["disable", "prefer", "require", "verify_ca", "verify_full"] = "prefer"
    ca_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None


class ColumnOptions(_Model):
    """What differs for one column from its source's defaults."""

    out_of_range: Policy | None = None


class TableOptions(_Model):
    """What differs for one table; `contract` says what a change of its columns does.

    For polling: new rows are those whose `cursor` is higher; `key` where the table declares none; the `topic` of its
    messages, `<source>.<table>_raw` unless given.
    """

    contract: Contract | None = None
    columns: dict[str, ColumnOptions] = {}
    cursor: str = ""
    key: tuple[str, ...] = ()
    topic: str = Field(default="", pattern=r"^[A-Za-z0-9._-]{0,249}$")


class Poll(_Model):
    """How often a database is asked for new rows, and how many a message batch holds at about most.

    `overlap_seconds`: how long a row may become visible after its cursor's value was given to it, beside the time of
    the transactions that the database tells of; unset: 5 where it tells of all, else 60.
    """

    seconds: float = Field(default=5.0, gt=0)
    rows: int = Field(default=50_000, ge=1)
    overlap_seconds: float | None = Field(default=None, ge=0)


class DatabaseSource(_Model):
    """One database. Passwords and notification addresses come from the environment and are never logged.

    `parallel_tables` are readers within a table, `parallel_workers` tables at the same time. `include` and `exclude`
    are shell patterns of `table` or `schema.table`. Times are in seconds.
    """

    name: str
    dialect: DialectName
    host: str = "127.0.0.1"
    port: int = Field(default=0, ge=0, le=65535, description="0 is the dialect's usual port.")
    database: str = Field(min_length=1, description="Oracle: the service name.")
    user: str = Field(min_length=1)
    password: SecretStr = SecretStr("")
    schemas: tuple[str, ...] = Field(default=(), description="Empty: the default schema alone.")
    include: tuple[str, ...] = ("*",)
    exclude: tuple[str, ...] = ()
    modes: tuple[Mode, ...] = ("bulk",)
    parallel_tables: int = Field(default=2, ge=1, le=64)
    parallel_workers: int = Field(default=2, ge=1, le=64)
    batch_size: int = Field(default=50_000, ge=1, description="Rows fetched at once by row-wise drivers.")
    max_retries: int = Field(default=5, ge=0)
    retry_backoff: float = Field(default=1.0, gt=0, description="Seconds before the first retry, doubled each time.")
    connect_timeout: int = Field(default=10, ge=1)
    chunk_bytes: int = Field(default=128 * 1024 * 1024, ge=1024, description="Size of a chunk in the source.")
    out_of_range: Policy = "keep_text"
    long_columns: Literal["exclude", "skip_table", "error"] = "exclude"
    number_without_precision: str = "text"
    contract: Contract = "evolve"
    tables: dict[str, TableOptions] = {}
    poll: Poll = Poll()
    schedule: str = Field(default="", description="Cron (UTC) of its bulk load by Airflow; empty: none.")
    lag_gate: float = Field(default=0.0, ge=0, description="Seconds that Airflow waits for its changes; 0: no wait.")
    notifications: tuple[SecretStr, ...] = Field(default=(), description="Addresses as apprise writes them.")
    tls: Tls = Tls()
    cluster: str = Field(default="default", description="The Kafka of config/kafka_clusters.yaml for its changes.")
    connector: dict[str, str] = Field(default={}, description="Options of its Debezium connector; they win.")

    @field_validator("name")
    @classmethod
    def _one_word(cls, value: str) -> str:
        if not re.fullmatch(r"[a-z][a-z0-9]*", value):
            raise ValueError("a source is one word of lower-case letters and digits, without underscore")
        return value

    @field_validator("number_without_precision")
    @classmethod
    def _known_number(cls, value: str) -> str:
        found = _NUMBER.fullmatch(value)
        if not found:
            raise ValueError("write text, double or decimal(p,s)")
        if found.group(1) and not 0 < int(found.group(1)) <= 38 >= int(found.group(1)) >= int(found.group(2)):
            raise ValueError("decimal(p,s) needs 1 <= p <= 38 and s <= p")
        return value

    @field_validator("schedule")
    @classmethod
    def _five_fields(cls, value: str) -> str:
        if value and len(value.split()) != 5:
            raise ValueError("write a cron line of five fields, such as 0 3 * * *")
        return value

    @model_validator(mode="after")
    def _something_to_do(self) -> "DatabaseSource":
        if not self.modes:
            raise ValueError("modes is empty: write at least one of bulk, cdc, poll")
        return self

    def __hash__(self) -> int:
        return hash(self.name)

    @property
    def effective_port(self) -> int:
        return self.port or _PORTS[self.dialect]

    @property
    def default_schema(self) -> str:
        """The schema whose tables are `raw.<source>_<table>`, without the schema's name."""
        return {"postgres": "public", "mysql": self.database, "oracle": self.user.upper()}[self.dialect]

    @property
    def read_schemas(self) -> tuple[str, ...]:
        return self.schemas or (self.default_schema,)

    def takes(self, schema: str, table: str) -> bool:
        """Whether include and exclude leave the table in."""
        names = (table, f"{schema}.{table}")
        wanted = any(fnmatchcase(name, pattern) for name in names for pattern in self.include)
        return wanted and not any(fnmatchcase(name, pattern) for name in names for pattern in self.exclude)

    def options(self, schema: str, table: str) -> TableOptions:
        """What is written for this table."""
        return self.tables.get(f"{schema}.{table}") or self.tables.get(table) or TableOptions()

    def policy(self, schema: str, table: str, column: str) -> Policy:
        """What becomes of a value that the raw type of this column cannot hold."""
        found = self.options(schema, table).columns.get(column)
        return (found.out_of_range if found else None) or self.out_of_range

    def contract_of(self, schema: str, table: str) -> Contract:
        """What a change of this table's columns does."""
        return self.options(schema, table).contract or self.contract


def _secrets(block: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    yield "password", block.get("password")
    for address in block.get("notifications") or []:
        yield "notifications", address


_FILE = BlockFile(FILE, DatabaseSource, "sources", "source", "dialect, host, database, user and password", _secrets)


def load_databases(config_dir: Path, environment: Mapping[str, str] | None = None) -> dict[str, DatabaseSource]:
    """Every source of `config_dir`/sources.yaml by name; without the file, none. Raises as BlockFile.load does."""
    return _FILE.load(config_dir, environment) if (config_dir / FILE).exists() else {}


def database(config_dir: Path, name: str, environment: Mapping[str, str] | None = None) -> DatabaseSource:
    """The source called `name`; raises UsageError that lists the sources there are."""
    return _FILE.one(config_dir, load_databases(config_dir, environment), name)
