"""`frazil schema changes`: what changed in the columns of the databases."""

import click

from ingestion.cli.output import json_option, print_rows
from ingestion.errors import UsageError
from ingestion.settings import Settings

_SHOWN = ("table_name", "change_timestamp", "change_type", "column_name", "type_before", "type_after", "schema_version")


@click.group(help="Changes of columns in the databases.")
def command() -> None:
    pass


@command.command(help="Every recorded change of columns, newest first; the baseline is the first load.")
@click.option("--source", help="Only this source.")
@click.option("--table", help="Only this table, by its name in the lake: raw.shop_orders.")
@json_option
def changes(source: str | None, table: str | None, as_json: bool) -> None:
    from ingestion.bulk.schema import recorded
    from ingestion.lake.catalog import open_catalog

    catalog = open_catalog(Settings())
    try:
        rows = recorded(catalog)
    finally:
        catalog.close()
    if source and source not in {row["source"] for row in rows}:
        raise UsageError(f"no change of source {source!r} is recorded; a first load records its baseline")
    wanted = [row for row in rows if source in (None, row["source"]) and table in (None, row["table_name"])]
    wanted.sort(key=lambda row: (row["change_timestamp"], row["table_name"], row["column_name"] or ""), reverse=True)
    shown = wanted if as_json else [{name: row[name] for name in _SHOWN} for row in wanted]
    print_rows(shown, title="schema changes", as_json=as_json)
