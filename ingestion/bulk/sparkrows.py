"""The columns of a raw table from what Spark's connections read, as Spark computes them."""

import pyarrow as pa
from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as f
from pyspark.sql.types import IntegralType

from ingestion.bulk.dialects.base import Dialect, Jdbc
from ingestion.bulk.marks import View
from ingestion.bulk.model import Chunk, Column, SourceTable
from ingestion.bulk.rowhash import NULL, OVERFLOWED, PRESENT, float_keys
from ingestion.bulk.rows import BATCH, OVERFLOW, READ, event_head, row_position, stored_columns, whole_key
from ingestion.lake.tables import LOADED_AT, RUN_ID

_ROW_IN_PARTITION = (1 << 33) - 1


def chunk_frame(
    spark: SparkSession, dialect: Dialect, jdbc: Jdbc, table: SourceTable, chunk: Chunk, stamp: int
) -> DataFrame:
    """What `Dialect.spark_select` gives of a chunk, as one partition; `stamp` (microseconds since 1970) is beside it.

    Beside the rows of a table without a key is the chunk's id as well: it is a part of theirs.

    The columns' types are told to Spark: what it would guess (decimal(38,18) for a number in a CASE) costs a third of
    the time and is exact by luck. The stamp comes with the rows, because a number in Spark's own code makes another
    class of each chunk's, and Java would compile and warm up every one of them.
    """
    reader = spark.read.format("jdbc").options(**jdbc.properties).option("url", jdbc.url).option("driver", jdbc.driver)
    if jdbc.session_statement:
        reader = reader.option("sessionInitStatement", jdbc.session_statement)
    types = [
        f"c{number} {_spark_type(column.field.type)}"
        for number, column in enumerate(table.columns)
        if not _is_calendar(column)
    ]
    reader = reader.option("customSchema", ", ".join([*types, "stamp bigint"]))
    more = f"{stamp} as stamp" if table.key else f"{stamp} as stamp, '{chunk.id}' as chunk"
    stamped = f"select q.*, {more} from ({dialect.spark_select(table, chunk)}) q"
    return reader.option("preferTimestampNTZ", "true").option("query", stamped).load()


def raw_frame(rows: DataFrame, table: SourceTable, view: View, run_id: str) -> DataFrame:
    """The columns of the raw table, in its order, of one `chunk_frame` or several together."""
    made = {column.field.name: _value(rows, table, number) for number, column in enumerate(table.columns)}
    made |= {
        OVERFLOW.name: f.from_json(f.col("overflow"), "map<string,string>"),
        "_event_id": _event_id(rows, table, view),
        "_op": f.lit(READ),
        "_load_type": f.lit(BATCH),
        "_position": f.lit(row_position(view)),
        "_source_at": f.lit(view.captured_at),
        LOADED_AT.name: f.timestamp_micros(f.col("stamp")),
        RUN_ID.name: f.lit(run_id),
    }
    return rows.select(*(made[field.name].alias(field.name) for field in stored_columns(table)))


def _value(rows: DataFrame, table: SourceTable, number: int) -> SparkColumn:
    kind, name = table.columns[number].field.type, f"c{number}"
    if not _is_calendar(table.columns[number]) or not isinstance(rows.schema[name].dataType, IntegralType):
        return f.col(name).cast(_spark_type(kind))
    if pa.types.is_date(kind):
        return f.date_from_unix_date(f.col(name).cast("int"))
    moment = f.timestamp_micros(f.col(name))
    return moment if kind.tz else moment.cast("timestamp_ntz")  # the session's zone is UTC


def _event_id(rows: DataFrame, table: SourceTable, view: View) -> SparkColumn:
    """As RowMaker makes it."""
    head = event_head(table, view)
    if not table.key:
        number = f.monotonically_increasing_id().bitwiseAND(f.lit(_ROW_IN_PARTITION))
        return f.concat(f.lit(head), f.col("chunk"), f.lit("-"), number.cast("string"))
    places = {column.name: number for number, column in enumerate(table.columns)}
    if whole_key(table):
        first, *others = [f.col(f"c{places[name]}").cast("string") for name in table.key]
        return f.concat(f.lit(head), first, *(part for key in others for part in (f.lit("-"), key)))
    floats = {column.name: f.col(f"k{place}") for place, column in enumerate(float_keys(table))}
    texts = [floats[name] if name in floats else _canonical(rows, table, places[name]) for name in table.key]
    parts = [f.concat(f.length(text).cast("string"), f.lit(":"), text) for text in texts]
    return f.concat(f.lit(head), f.md5(f.concat_ws(" ", *parts)))


def _canonical(rows: DataFrame, table: SourceTable, number: int) -> SparkColumn:
    """The text of `ingestion.bulk.rowhash`, of all but floats."""
    column = table.columns[number]
    value, kind = _value(rows, table, number), column.field.type
    text = value.cast("string")
    if pa.types.is_binary(kind):
        text = f.lower(f.hex(value))
    elif pa.types.is_timestamp(kind):
        text = f.date_format(value, "yyyy-MM-dd HH:mm:ss.SSSSSS")
    elif pa.types.is_boolean(kind):
        text = f.substring(text, 1, 1)
    forms = [f.concat(f.lit(PRESENT), text)]
    if column.can_overflow:
        kept = f.from_json(f.col("overflow"), "map<string,string>")[column.field.name]
        forms.append(f.concat(f.lit(OVERFLOWED), kept))
    return f.coalesce(*forms, f.lit(NULL))


def _is_calendar(column: Column) -> bool:
    return bool(pa.types.is_date(column.field.type) or pa.types.is_timestamp(column.field.type))


def _spark_type(kind: pa.DataType) -> str:
    from pyspark.sql.pandas.types import from_arrow_type

    return from_arrow_type(kind, prefer_timestamp_ntz=True).simpleString()
