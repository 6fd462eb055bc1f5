"""The reader of a column's values, by the kind of database."""

from ingestion.cdc.form import ColumnForm
from ingestion.cdc.values import mysql, postgres
from ingestion.cdc.values.base import Reader


def reader_for(dialect: str, column: ColumnForm) -> Reader:
    """Reads what Debezium carries of this column."""
    kind = column.column().field.type
    if dialect == "postgres":
        return postgres.reader(column.carrier, kind)
    return mysql.reader(column.source_type, kind)
