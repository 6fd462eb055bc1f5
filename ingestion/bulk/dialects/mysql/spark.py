"""What Spark's connections read of MySQL and MariaDB."""

import pyarrow as pa

from ingestion.bulk.dialects.mysql.projection import fits, overflow, source, typed
from ingestion.bulk.model import Chunk, Column, SourceTable

_DAY_OF_1970 = 719528


def select(table: SourceTable, chunk: Chunk) -> str:
    """See Dialect.spark_select."""
    columns = [f"{_plain(column)} as c{number}" for number, column in enumerate(table.columns)]
    columns += [f"case when not ({fits(column)}) then 1 end as m{number}" for number, column in table.silent.items()]
    return f"select {', '.join(columns)}, {overflow(table)} as overflow {source(table, chunk)}"


def _plain(column: Column) -> str:
    kind, raw = column.field.type, typed(column)
    if pa.types.is_date(kind):
        return f"(to_days({raw}) - {_DAY_OF_1970})"
    if pa.types.is_timestamp(kind):
        return f"timestampdiff(microsecond, timestamp'1970-01-01 00:00:00', {raw})"
    return raw
