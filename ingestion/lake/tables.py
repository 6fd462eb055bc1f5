"""Append-only tables of the lake: their platform columns, properties, creation and growth."""

from collections.abc import Mapping

import pyarrow as pa
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import CommitFailedException, NoSuchTableError, TableAlreadyExistsError
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table import Table
from pyiceberg.transforms import DayTransform
from pyiceberg.types import (
    BinaryType,
    BooleanType,
    DateType,
    DecimalType,
    DoubleType,
    FloatType,
    IcebergType,
    IntegerType,
    LongType,
    MapType,
    NestedField,
    StringType,
    TimestampType,
    TimestamptzType,
)

from ingestion.errors import ContractError, RetryableError

TIMESTAMP = pa.timestamp("us", tz="UTC")
LOADED_AT = pa.field("_loaded_at", TIMESTAMP)
RUN_ID = pa.field("_run_id", pa.string())

_TYPES: dict[pa.DataType, IcebergType] = {
    pa.string(): StringType(),
    pa.int32(): IntegerType(),
    pa.int64(): LongType(),
    pa.float32(): FloatType(),
    pa.float64(): DoubleType(),
    pa.bool_(): BooleanType(),
    pa.binary(): BinaryType(),
    pa.date32(): DateType(),
    pa.timestamp("us"): TimestampType(),
    TIMESTAMP: TimestamptzType(),
}
TEXT_MAP = pa.map_(pa.string(), pa.string())

PROPERTIES = {
    "format-version": "2",
    "write.parquet.compression-codec": "zstd",
    "write.parquet.compression-level": "1",
    "write.metadata.delete-after-commit.enabled": "true",
    "write.metadata.previous-versions-max": "10",
    # Bounds of ids, hashes and payloads prune nothing; those of the load time do.
    "write.metadata.metrics.default": "none",
    "write.metadata.metrics.column._loaded_at": "full",
    "write.metadata.metrics.column._received_at": "full",
    "write.metadata.metrics.column._run_id": "full",  # one run of many is read without the others' files
}
_FIRST_PLATFORM_COLUMN = "_payload"


def ensure_table(catalog: Catalog, name: str, columns: pa.Schema, properties: Mapping[str, str] | None = None) -> Table:
    """The table `name` ("raw.shopify_orders") with at least `columns`, partitioned by the day of `_loaded_at`.

    Repeating it changes nothing; new columns are added; a column missing from `columns` is kept and filled with
    nulls from now on. A new table has `properties` as well. Raises ContractError if a column's type differs from the
    stored one.
    """
    begin = {**PROPERTIES, **(properties or {})}
    wanted = iceberg_schema(columns)
    for _ in range(10):
        try:
            table = catalog.load_table(name)
        except NoSuchTableError:
            try:
                return catalog.create_table(name, wanted, partition_spec=_by_day(wanted), properties=begin)
            except TableAlreadyExistsError:
                continue
        try:
            return _grown(table, name, wanted)
        except CommitFailedException:
            continue
    raise RetryableError(f"{name}: other writers kept changing the table; run the command again")


def iceberg_schema(columns: pa.Schema) -> Schema:
    """The Iceberg form of an Arrow schema; every column is optional, ids are the order."""
    fields = []
    for number, field in enumerate(columns, start=1):
        kind = iceberg_type(field.type, len(columns) + 2 * number)
        if kind is None:
            raise ContractError(f"column {field.name}: raw tables have no type for Arrow's {field.type}")
        fields.append(NestedField(number, field.name, kind, required=False))
    return Schema(*fields)


def iceberg_type(kind: pa.DataType, next_id: int = 1) -> IcebergType | None:
    """The Iceberg type that holds every value of an Arrow type, or None; a map's fields get the two ids given."""
    if pa.types.is_decimal128(kind) and kind.scale >= 0:
        return DecimalType(kind.precision, kind.scale)
    if kind == TEXT_MAP:
        return MapType(next_id, StringType(), next_id + 1, StringType(), value_required=False)
    return _TYPES.get(kind)


def same_type(one: IcebergType, other: IcebergType) -> bool:
    """Whether two column types are equal but for the ids of their parts."""
    if isinstance(one, MapType) and isinstance(other, MapType):
        return (one.key_type, one.value_type) == (other.key_type, other.value_type)
    return one == other


def _by_day(schema: Schema) -> PartitionSpec:
    source = schema.find_field(LOADED_AT.name).field_id
    return PartitionSpec(PartitionField(source, 1000, DayTransform(), f"{LOADED_AT.name}_day"))


def _grown(table: Table, name: str, wanted: Schema) -> Table:
    present = {field.name: field.field_type for field in table.schema().fields}
    for field in wanted.fields:
        stored = present.get(field.name, field.field_type)
        if not same_type(stored, field.field_type):
            raise ContractError(
                f"{name}.{field.name} is {stored} in the lake and {field.field_type} in the configuration; "
                "a stored column keeps its type: give the new one another name"
            )
    added = [field for field in wanted.fields if field.name not in present]
    changed = {key: value for key, value in PROPERTIES.items() if table.properties.get(key) != value}
    changed.pop("format-version", None)
    if not added and not changed:
        return table
    with table.transaction() as transaction:
        if added:
            with transaction.update_schema() as update:
                for field in added:
                    update.add_column(field.name, field.field_type)
                    if _FIRST_PLATFORM_COLUMN in present and not field.name.startswith("_"):
                        update.move_before(field.name, _FIRST_PLATFORM_COLUMN)
        if changed:
            transaction.set_properties(changed)
    return table
