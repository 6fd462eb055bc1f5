"""`frazil bulk plan`: what a load would read, chunk by chunk, without reading it."""

from typing import Any

import click

from ingestion.cli.bulk_words import print_left_out, selection_options, table_names
from ingestion.cli.output import json_option, print_json, print_rows
from ingestion.settings import Settings


@click.command(help="Show the chunks that a load of SOURCE would read, with estimated rows and bytes and chosen types.")
@click.argument("source")
@selection_options
@json_option
def plan(source: str, table_filter: str | None, tables: str | None, as_json: bool) -> None:
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
    from ingestion.lake.tables import iceberg_type

    counts: dict[str, int] = {}
    for column in table.columns:
        name = str(iceberg_type(column.field.type) or column.field.type)
        counts[name] = counts.get(name, 0) + 1
    return ", ".join(f"{count} {name}" for name, count in counts.items())


def _document(table: Any, chunks: Any) -> dict[str, Any]:
    return {
        "table": f"{table.schema}.{table.name}",
        "raw": table.raw_name,
        "rows": table.rows,
        "bytes": table.bytes,
        "columns": {one.name: str(one.field.type) for one in table.columns},
        "chunks": [{"id": one.id, "predicate": one.predicate, "rows": one.rows, "bytes": one.bytes} for one in chunks],
    }
