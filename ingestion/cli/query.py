"""`frazil query`: SQL over lake tables without Spark."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from ingestion.cli.output import json_option, print_rows
from ingestion.errors import UsageError
from ingestion.settings import Settings

if TYPE_CHECKING:
    import pyarrow as pa


@click.command(
    help="""Read lake tables with one SELECT, without Spark: frazil query "select * from marts.customer_360". Of
    columns with one name the second is printed as name_2."""
)
@click.argument("sql")
@json_option
def command(sql: str, as_json: bool) -> None:
    from ingestion.lake.catalog import open_catalog
    from ingestion.lake.query import query

    catalog = open_catalog(Settings())
    try:
        rows = _rows(query(catalog, sql))
    finally:
        catalog.close()
    print_rows(rows, as_json=as_json)


def _rows(found: "pa.Table") -> list[dict[str, Any]]:
    try:
        rows: list[dict[str, Any]] = found.rename_columns(_distinct(found.column_names)).to_pylist()
    except (OverflowError, ValueError) as error:
        raise UsageError(
            "a time cannot be printed: it is outside the years 1 to 9999, or has nanoseconds; cast it to varchar"
        ) from error
    return rows


def _distinct(names: Sequence[str]) -> list[str]:
    """`a, a, b` as `a, a_2, b`, where no other column has that name."""
    found: list[str] = []
    for name in names:
        fresh, number = name, 1
        while fresh in found or (number > 1 and fresh in names):
            number += 1
            fresh = f"{name}_{number}"
        found.append(fresh)
    return found
