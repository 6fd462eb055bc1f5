"""All that `frazil bulk check` looks at: the source by its dialect, and whether the lake can be written."""

import uuid
from collections.abc import Iterator, Sequence

import pyarrow as pa
from pyiceberg.exceptions import RESTError
from sqlalchemy.exc import SQLAlchemyError

from ingestion.bulk.dialects.base import by_name
from ingestion.bulk.findings import failed, passed
from ingestion.bulk.model import Finding
from ingestion.bulk.selection import selected
from ingestion.bulk.sources import DatabaseSource
from ingestion.errors import FrazilError
from ingestion.lake.catalog import open_catalog
from ingestion.lake.tables import LOADED_AT, ensure_table
from ingestion.settings import Settings


def checked(settings: Settings, source: DatabaseSource, pattern: str | None, names: Sequence[str]) -> Iterator[Finding]:
    """Findings in the order they are made; a source that cannot be reached is one that failed."""
    dialect = by_name(source.dialect)
    yield catalog_finding(settings)
    try:
        if pattern is not None or names:
            source = _narrowed(source, pattern, names)
        yield from dialect.check(source)
    except FrazilError as error:
        yield failed("connection", str(error), f"correct it, then: frazil bulk check {source.name}")


def _narrowed(source: DatabaseSource, pattern: str | None, names: Sequence[str]) -> DatabaseSource:
    """The source with no other tables than these."""
    wanted = selected(source, by_name(source.dialect).tables(source), pattern, names)
    include = tuple(_escaped(f"{table.schema}.{table.name}") for table in wanted)
    return source.model_copy(update={"include": include})


def _escaped(name: str) -> str:
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)


def catalog_finding(settings: Settings) -> Finding:
    """Make a table and drop it again."""
    name = f"metadata.check_{uuid.uuid4().hex}"
    try:
        catalog = open_catalog(settings)
        try:
            ensure_table(catalog, name, pa.schema([pa.field("checked", pa.string()), LOADED_AT]))
            catalog.purge_table(name)
        finally:
            catalog.close()
    except (OSError, SQLAlchemyError, RESTError, FrazilError) as error:
        text = " ".join(str(error).split())[:200]
        return failed("catalog", f"cannot make a table: {text}", "see FRAZIL_HOME, its disk and its owner")
    return passed("catalog", f"tables can be made in {settings.warehouse}")
