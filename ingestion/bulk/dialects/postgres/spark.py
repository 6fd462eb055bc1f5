"""What Spark's connections read of PostgreSQL."""

import pyarrow as pa

from ingestion.bulk.dialects.postgres.hashing import canonical
from ingestion.bulk.dialects.postgres.projection import fits, overflow, source, typed
from ingestion.bulk.model import Chunk, Column, SourceTable
from ingestion.bulk.rowhash import float_keys


def select(table: SourceTable, chunk: Chunk) -> str:
    """See Dialect.spark_select."""
    columns = [f"{_plain(column)} as c{number}" for number, column in enumerate(table.columns)]
    columns += [f"{canonical(column)} as k{place}" for place, column in enumerate(float_keys(table))]
    columns += [f"case when not ({fits(column)}) then 1 end as m{number}" for number, column in table.silent.items()]
    return f"select {', '.join(columns)}, {overflow(table)} as overflow {source(table, chunk)}"


def _plain(column: Column) -> str:
    """Days and microseconds are exact in every version: only whole seconds go through `epoch`, once a double."""
    kind, raw = column.field.type, typed(column)
    if pa.types.is_date(kind):
        return f"({raw} - date '1970-01-01')"
    if pa.types.is_timestamp(kind):
        whole = f"extract(epoch from date_trunc('second', {raw}))::int8 * 1000000"
        return f"({whole} + extract(microseconds from {raw})::int8 % 1000000)"
    return raw
