"""What Spark's connections read of PostgreSQL."""

import pyarrow as pa

from ingestion.bulk.dialects.postgres.projection import fits, overflow, source, typed, value
from ingestion.bulk.model import Chunk, Column, SourceTable

_NEAR = "'1900-01-01' and '2040-12-31'"  # literals take the type of what they are compared with


def select(table: SourceTable, chunk: Chunk) -> str:
    """See Dialect.spark_select."""
    columns = [f"{_plain(column)} as c{number}" for number, column in enumerate(table.columns)]
    columns += [f"case when not ({fits(column)}) then 1 end as m{number}" for number, column in table.silent.items()]
    return f"select {', '.join(columns)}, {overflow(table)} as overflow {source(table, chunk)}"


def _plain(column: Column) -> str:
    kind, raw = column.field.type, value(column)
    if not (pa.types.is_date(kind) or pa.types.is_timestamp(kind)):
        return typed(column)
    count = _days if pa.types.is_date(kind) else _microseconds
    if column.policy in ("keep_text", "null"):
        return f"case when {fits(column)} then {count(raw)} end"
    return count(typed(column))


def _days(raw: str) -> str:
    return f"({raw} - date '1970-01-01')"


def _microseconds(raw: str) -> str:
    """Since 1970, exact in every version: as a double, they are off by less than a half within 71 years of 1970; else
    only whole seconds go through it. (`extract` gives a numeric, which takes the server three times as long.)"""
    whole = f"date_part('epoch', date_trunc('second', {raw}))::int8 * 1000000"
    exact = f"{whole} + date_part('microseconds', {raw})::int8 % 1000000"
    return f"case when {raw} between {_NEAR} then (date_part('epoch', {raw}) * 1000000)::int8 else {exact} end"
