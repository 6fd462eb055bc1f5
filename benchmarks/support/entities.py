"""A lake of generated customers whose entities the project's own models resolve."""

import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from ingestion.lake.query import query
from ingestion.settings import PROJECT_ROOT, Settings
from tests.support.lake import Lake
from tests.support.people.staging import make_tables, stage

SPLINK = ("splink==5.0.0", "duckdb")
_MODELS = "path:models/semantic"
_NORMALISED = {
    "record_key": "unique_id",
    "email_normalized": "email",
    "email_local": "email_local",
    "phone_normalized": "phone",
    "phone_suffix": "phone_suffix",
    "first_name_normalized": "first_name",
    "last_name_normalized": "last_name",
    "postal_code_normalized": "postal_code",
    "city_normalized": "city",
}


class EntityLake:
    """Records go straight into the staging tables; only the models of the semantic layer are built and timed."""

    def __init__(self, settings: Settings, project: Path = PROJECT_ROOT) -> None:
        self.lake = Lake(settings, project)
        self.lake.dbt("seed")
        make_tables(self.lake)

    def stage(self, records: pa.Table) -> None:
        stage(self.lake.catalog, records)

    def build(self, *words: str) -> float:
        """Wall seconds of one dbt run of the semantic models."""
        started = time.perf_counter()
        self.lake.dbt("run", "--select", _MODELS, *words)
        return time.perf_counter() - started

    def entities(self, column: str = "entity_id") -> dict[str, str]:
        """The entity of each record, by `source:source_id`; or the `resolution_group` that it was cut from."""
        columns = ("source", "source_id", column)
        found = self.lake.catalog.load_table("semantic.entity_index").scan(selected_fields=columns).to_arrow()
        sources, ids, entities = (found[name].to_pylist() for name in columns)
        return {f"{source}:{one}": entity for source, one, entity in zip(sources, ids, entities, strict=True)}

    def rows_written(self) -> dict[str, int]:
        """Rows each semantic table's snapshots have added so far; the difference of two answers is what a run wrote."""
        written = {}
        for name in self.lake.tables(["semantic"]):
            snapshots = self.lake.catalog.load_table(name).snapshots()
            added = (snapshot.summary and snapshot.summary.additional_properties for snapshot in snapshots)
            written[name] = sum(int((found or {}).get("added-records", 0)) for found in added)
        return written

    def records_sharing(self) -> dict[str, int]:
        """By e-mail address and telephone number that too many share, how many records have it."""
        rows = query(
            self.lake.catalog,
            "select value, record_count from semantic.er_hub_values where kind in ('email', 'phone')",
        ).to_pylist()
        return {row["value"]: row["record_count"] for row in rows}

    def moved_to(self) -> dict[str, str]:
        """Where each retired entity id led to first."""
        rows = self.lake.read("semantic.entity_id_remap").select(["old_entity_id", "new_entity_id"]).to_pylist()
        return {row["old_entity_id"]: row["new_entity_id"] for row in rows}

    def normalised(self, path: Path, truth: dict[str, int]) -> None:
        """Write the records as the models compare them, with their truth: the same input for another tool."""
        records = self.lake.read("semantic.er_source_records")
        people = pa.table({"record_key": list(truth), "person_id": list(truth.values())})
        names = ", ".join(f"{ours} as {theirs}" for ours, theirs in _NORMALISED.items())
        with duckdb.connect() as connection:
            connection.register("records", records)
            connection.register("people", people)
            found = connection.sql(
                f"select {names}, nullif(concat_ws(' ', street_normalized, house_number), '') as address, person_id"
                " from records join people using (record_key)"
            ).to_arrow_table()
        pq.write_table(found, path)


def truth_of(records: pa.Table) -> dict[str, int]:
    """The person of each record, by `source:source_id`."""
    sources, ids, people = (records[name].to_pylist() for name in ("source", "source_id", "person_id"))
    return {f"{source}:{one}": person for source, one, person in zip(sources, ids, people, strict=True)}


class SplinkScores(msgspec.Struct):
    """Splink's result at its best threshold by the truth."""

    threshold: float
    precision: float
    recall: float
    f1: float
    largest: int
    train_and_predict_seconds: float


def splink(python: Path, records: Path) -> SplinkScores:
    """Splink's stock model on normalised records."""
    model = PROJECT_ROOT / "benchmarks/support/splink_model.py"
    ran = subprocess.run([str(python), str(model), str(records)], check=True, capture_output=True, text=True)
    return msgspec.json.decode(ran.stdout.splitlines()[-1], type=SplinkScores)


@contextmanager
def entity_lake(project: Path = PROJECT_ROOT) -> Iterator[EntityLake]:
    """A lake in a temporary folder, with the jars of the set-up."""
    with tempfile.TemporaryDirectory(prefix="frazil-entities-") as folder:
        yield EntityLake(Settings(home=Path(folder).resolve()), project)
