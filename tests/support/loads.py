"""Loads that end before their time."""

from typing import Any

from ingestion.bulk.load import Load, Options
from ingestion.bulk.progress import Board
from ingestion.bulk.sources import DatabaseSource
from ingestion.bulk.table_load import Outcome
from ingestion.settings import Settings


def stopped_load(settings: Settings, source: DatabaseSource, **options: Any) -> Outcome:
    """Load one table, chunk by chunk, and stop when more than 2,500 rows of it are committed."""
    work = Load(settings, source, Options(**options))

    class Stopping(Board):
        def advance(self, table: str, rows: int) -> None:
            super().advance(table, rows)
            if self._tables[table].rows > 2500:
                work.stop.set()

    with Stopping() as board:
        (outcome,) = work.run(board)
    assert outcome.status == "interrupted"
    return outcome
