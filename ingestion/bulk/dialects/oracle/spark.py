"""What Spark's connections read of Oracle."""

from ingestion.bulk.dialects.oracle.projection import fits, overflow, source, typed
from ingestion.bulk.model import Chunk, SourceTable


def select(table: SourceTable, chunk: Chunk) -> str:
    """See Dialect.spark_select. Times stay times: the driver gives them to Spark whole."""
    columns = [f'{typed(column)} as "c{number}"' for number, column in enumerate(table.columns)]
    columns += [f'case when not ({fits(column)}) then 1 end as "m{number}"' for number, column in table.silent.items()]
    return f'select {", ".join(columns)}, {overflow(table)} as "overflow" {source(table, chunk)}'
