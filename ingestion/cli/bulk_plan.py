"""`frazil bulk plan`: what a load would read, chunk by chunk, without reading it."""

from collections import Counter
from typing import Any

import click

from ingestion.cli.bulk_words import print_left_out, selection_options, table_names
from ingestion.cli.output import json_option, print_json, print_rows
from ingestion.settings import Settings


@click.command(help="Show the chunks that a load of SOURCE would read, with estimated rows and bytes and chosen types.")
@click.argument("source")
@selection_options
@click.option("--chunks", "with_chunks", is_flag=True, help="Print every chunk too; --json always has them.")
@click.option("--columns", "with_columns", is_flag=True, help="Print every column's type too; --json always has them.")
@json_option
def plan(
    source: str, table_filter: str | None, tables: str | None, with_chunks: bool, with_columns: bool, as_json: bool
) -> None:
    from ingestion.bulk.dialects.base import by_name
    from ingestion.bulk.plan import planned
    from ingestion.bulk.selection import passed_over, selected
    from ingestion.bulk.sources import database

    described = database(Settings().config_dir, source)
    dialect, names = by_name(described.dialect), table_names(tables)
    chosen = selected(described, dialect.tables(described), table_filter, names)
    left_out = passed_over(described, dialect, chosen, table_filter, names)
    found = list(planned(described, chosen))
    if as_json:
        rows = [_document(table, chunks) for table, chunks in found]
        print_json({"source": source, "tables": rows, "left_out": left_out})
        return
    print_rows([_row(table, chunks) for table, chunks in found], title=source)
    for table, chunks in found:
        name = f"{table.schema}.{table.name}"
        if with_chunks:
            print_rows([{"chunk": one.id, "rows": one.rows, "bytes": one.bytes} for one in chunks], title=name)
        if with_columns:
            print_rows([_column(one) for one in table.columns], title=name)
    rows, size = (sum(getattr(table, name) for table, _ in found) for name in ("rows", "bytes"))
    count = sum(len(chunks) for _, chunks in found)
    click.echo(f"{len(found)} tables in {count} chunks, about {rows:,} rows and {size / 1e6:,.1f} MB in the source")
    print_left_out(left_out)


def _row(table: Any, chunks: Any) -> dict[str, Any]:
    return {
        "table": f"{table.schema}.{table.name}",
        "raw": table.raw_name,
        "chunks": len(chunks),
        "split by": chunks[0].id.split(":")[0] if len(chunks) > 1 else "",
        "rows": table.rows,
        "bytes": table.bytes,
        "types": _types(table),
    }


def _types(table: Any) -> str:
    """How many columns of each raw type."""
    counts = Counter(_type(column) for column in table.columns)
    return ", ".join(f"{count} {name}" for name, count in counts.items())


def _type(column: Any) -> str:
    """A column's type in raw, in Iceberg's words."""
    from ingestion.lake.tables import iceberg_type

    return str(iceberg_type(column.field.type) or column.field.type)


def _column(column: Any) -> dict[str, Any]:
    return {"column": column.name, "source_type": column.source_type, "raw_type": _type(column), "note": column.note}


def _document(table: Any, chunks: Any) -> dict[str, Any]:
    return {
        "table": f"{table.schema}.{table.name}",
        "raw": table.raw_name,
        "rows": table.rows,
        "bytes": table.bytes,
        "columns": {one.name: str(one.field.type) for one in table.columns},
        "chunks": [{"id": one.id, "predicate": one.predicate, "rows": one.rows, "bytes": one.bytes} for one in chunks],
    }
