"""Where records only arrive nothing stored is looked for; where a run has died half-way it is all the same."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from tests.support.people.entities import Entities
from tests.support.people.evaluation import agreement
from tests.support.people.generator import people
from tests.support.people.mixes import HARD
from tests.support.people.staging import stage

pytestmark = pytest.mark.spark

_RECORDS, _FIRST, _NEW = 600, 350, 200
_WATERMARKS = "metadata.incremental_watermarks"
_INDEX = ("record_key", "rule", "block_hash", "is_generic", "is_active")
_EDGES = ("key_low", "key_high", "rules", "score_bits")


@pytest.fixture(scope="module")
def records() -> pa.Table:
    return people(HARD, _RECORDS, 11)


@pytest.fixture(scope="module")
def rebuilt(records: pa.Table, tmp_path_factory: pytest.TempPathFactory) -> Entities:
    """What all records end in, resolved at once."""
    found = Entities(tmp_path_factory.mktemp("at-once"))
    found.add(records)
    return found


def _rows(entities: Entities, table: str, columns: tuple[str, ...]) -> list[tuple[Any, ...]]:
    rows = entities.lake.read(f"semantic.{table}").select(columns).to_pylist()
    return sorted(tuple(row.values()) for row in rows)


def test_records_that_arrive_in_a_run_that_dies_are_there_once_after_the_next(
    rebuilt: Entities, records: pa.Table, tmp_path: Path
) -> None:
    entities = Entities(tmp_path, literal_rows=0)
    entities.add(records.slice(0, _FIRST))

    watermarks = entities.lake.read(_WATERMARKS)
    stage(entities.lake.catalog, records.slice(_FIRST, _NEW))
    entities.lake.dbt("run", "--select", "+entity_index,path:models/semantic")
    entities.lake.catalog.load_table(_WATERMARKS).overwrite(watermarks)  # its tables are written, and it died
    entities.add(records.slice(_FIRST + _NEW))

    _check_that_all_is_as_in_a_rebuild(entities, rebuilt)


def test_a_table_that_was_made_anew_is_not_taken_for_new_records(
    rebuilt: Entities, records: pa.Table, tmp_path: Path
) -> None:
    entities = Entities(tmp_path)
    entities.add(records.slice(0, _FIRST))

    entities.lake.dbt("run", "--full-refresh", "--select", "er_source_records")
    entities.add(records.slice(_FIRST))

    _check_that_all_is_as_in_a_rebuild(entities, rebuilt)


def _check_that_all_is_as_in_a_rebuild(entities: Entities, rebuilt: Entities) -> None:
    for table, columns in (("blocking_index", _INDEX), ("er_candidate_edges", _EDGES)):
        assert _rows(entities, table, columns) == _rows(rebuilt, table, columns)
    assert len(entities.lake.rows("semantic.entity_index")) == _RECORDS
    assert agreement(entities.found, rebuilt.found) == 1
