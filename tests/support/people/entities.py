"""A lake of people whose entities are watched: no id may be lost from one build to the next."""

from pathlib import Path

import pyarrow as pa

from ingestion.settings import Settings
from tests.support.lake import Lake
from tests.support.people.staging import make_tables, stage
from tests.support.spark import link_jars


class Entities:
    """A lake of its own; after each build no id may have been lost.

    Up to `literal_rows` that one change touches are resolved while the SQL is made, more step by step in the engine.
    """

    def __init__(self, home: Path, literal_rows: int = 2000) -> None:
        link_jars(home)
        self.lake = Lake(Settings(home=home))
        self.literal_rows = literal_rows
        self.lake.dbt("seed")
        make_tables(self.lake)
        self.found: dict[str, str] = {}
        self.retired: set[str] = set()

    def add(self, *records: pa.Table) -> None:
        for part in records:
            stage(self.lake.catalog, part)
        self.build()

    def delete(self, records: pa.Table) -> None:
        stage(self.lake.catalog, records, replace=True, deleted=True)
        self.build()

    def build(self) -> None:
        before = set(self.found.values())
        self.lake.dbt(
            "run", "--select", "path:models/semantic", "--vars", f"{{most_literal_rows: {self.literal_rows}}}"
        )
        rows = self.lake.rows("semantic.entity_index")
        self.found = {f"{row['source']}:{row['source_id']}": row["entity_id"] for row in rows}
        living = set(self.found.values())
        self.retired |= before - living
        moved = {row["old_entity_id"]: row["new_entity_id"] for row in self.lake.rows("semantic.entity_id_remap")}
        assert not self.retired & living, "a retired id was used again"
        assert self.retired <= moved.keys(), "a retired id leads nowhere"
        assert {moved[one] for one in self.retired} - {None} <= living, "a retired id leads to a retired one"
