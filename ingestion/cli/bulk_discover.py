"""`frazil bulk discover`: tables, keys, columns and the types they get in raw."""

from typing import TYPE_CHECKING, Any

import click

from ingestion.cli.bulk_words import print_left_out, selection_options, table_names
from ingestion.cli.output import json_option, print_json, print_rows
from ingestion.settings import Settings

if TYPE_CHECKING:
    from ingestion.bulk.model import SourceTable


@click.command(help="List the tables of SOURCE: keys, columns, chosen types, what is left out and why.")
@click.argument("source")
@selection_options
@click.option("--columns", is_flag=True, help="Print every column too; --json always has them.")
@json_option
def discover(source: str, table_filter: str | None, tables: str | None, columns: bool, as_json: bool) -> None:
    from ingestion.bulk.dialects.base import by_name
    from ingestion.bulk.selection import excluded_columns, selected
    from ingestion.bulk.sources import database

    settings = Settings()
    found_source = database(settings.config_dir, source)
    dialect = by_name(found_source.dialect)
    found = selected(found_source, dialect.tables(found_source), table_filter, table_names(tables))
    left_out = dialect.left_out(found_source)
    if as_json:
        print_json({"source": source, "tables": [_document(table) for table in found], "left_out": left_out})
        return
    print_rows([_row(table) for table in found], title=source)
    for table in found if columns else ():
        print_rows([_column(one) for one in table.columns], title=f"{table.schema}.{table.name}")
    print_left_out({**left_out, **excluded_columns(found)})


def _row(table: "SourceTable") -> dict[str, Any]:
    return {
        "table": f"{table.schema}.{table.name}",
        "raw": table.raw_name,
        "key": ", ".join(table.key),
        "columns": len(table.columns),
        "rows": table.rows,
        "bytes": table.bytes,
    }


def _document(table: "SourceTable") -> dict[str, Any]:
    return {
        **_row(table),
        "key": table.key,
        "columns": [_column(one) for one in table.columns],
        "foreign_keys": [
            {
                "columns": one.columns,
                "table": f"{one.referred_schema}.{one.referred_table}",
                "refers": one.referred_columns,
            }
            for one in table.foreign_keys
        ],
        "excluded": dict(table.excluded),
    }


def _column(one: Any) -> dict[str, Any]:
    return {
        "column": one.name,
        "source_type": one.source_type,
        "raw": one.field.name,
        "raw_type": str(one.field.type),
        "nullable": one.nullable,
        "out_of_range": one.policy if one.can_overflow else "",
        "note": one.note,
    }
