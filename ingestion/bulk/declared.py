"""Raw tables of databases as the models declare them: made empty, so that the models build before the first load."""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import pyarrow as pa
import yaml
from pyiceberg.catalog import Catalog

from ingestion.bulk import reconcile
from ingestion.bulk.rows import with_platform_columns
from ingestion.bulk.state import RUNS, RUNS_COLUMNS
from ingestion.errors import UsageError
from ingestion.lake.tables import TIMESTAMP, ensure_table
from ingestion.settings import PROJECT_ROOT

MODELS = PROJECT_ROOT / "models"
_NAMES: dict[pa.DataType, str] = {
    pa.string(): "string",
    pa.int32(): "int",
    pa.int64(): "bigint",
    pa.float32(): "float",
    pa.float64(): "double",
    pa.bool_(): "boolean",
    pa.binary(): "binary",
    pa.date32(): "date",
    pa.timestamp("us"): "timestamp_ntz",
    TIMESTAMP: "timestamp",
}
_TYPES = {name: kind for kind, name in _NAMES.items()}
_DECIMAL = re.compile(r"decimal\((\d+),\s*(\d+)\)")


def type_name(kind: pa.DataType) -> str:
    """A raw column's type as `data_type` in a `_sources.yml`, in Spark's words."""
    return f"decimal({kind.precision},{kind.scale})" if pa.types.is_decimal(kind) else _NAMES[kind]


def type_of(name: str) -> pa.DataType | None:
    """The type that `type_name` calls so; None for a word that raw tables do not have."""
    decimal = _DECIMAL.fullmatch(name)
    return pa.decimal128(int(decimal[1]), int(decimal[2])) if decimal else _TYPES.get(name)


def ensure_declared(catalog: Catalog, models: Path = MODELS) -> None:
    """Make the lists of copies and reconciliations and every declared raw table that is absent. One that is there is
    left as it is: its columns are the business of the load."""
    present = {".".join(name) for name in catalog.list_tables("raw")} if catalog.namespace_exists("raw") else set()
    for name, columns in declared(models).items():
        if name not in present:
            ensure_table(catalog, name, with_platform_columns(columns))
    ensure_table(catalog, RUNS, RUNS_COLUMNS)
    ensure_table(catalog, reconcile.TABLE, reconcile.COLUMNS)


def declared(models: Path = MODELS) -> Mapping[str, pa.Schema]:
    """The source's columns of each raw table whose `_sources.yml` gives all their types, by the table's name.

    Raises UsageError for a type that raw tables do not have.
    """
    found: dict[str, pa.Schema] = {}
    for path in sorted(models.glob("staging/*/_sources.yml")):
        found.update(_tables(path, path.stat().st_mtime_ns))
    return found


@cache
def _tables(path: Path, _changed_at: int) -> dict[str, pa.Schema]:
    document = yaml.load(path.read_text(encoding="utf-8"), yaml.CSafeLoader)
    tables = [table for source in document.get("sources", []) for table in source.get("tables", [])]
    return {
        f"raw.{table['name']}": pa.schema(list(_fields(path, table)))
        for table in tables
        if table.get("columns") and all("data_type" in column for column in table["columns"])
    }


def _fields(path: Path, table: Mapping[str, list[dict[str, str]]]) -> Iterator[pa.Field]:
    for column in table["columns"]:
        name = column["data_type"]
        kind = type_of(name)
        if kind is None:
            raise UsageError(
                f"{path}: {table['name']}.{column['name']}: {name} is no type of raw tables; "
                f"write decimal(p,s) or one of {', '.join(sorted(_TYPES))}"
            )
        yield pa.field(column["name"], kind)
