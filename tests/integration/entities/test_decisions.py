"""What a steward decides by `frazil er override` holds against the evidence, and only between records that live."""

import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from ingestion.settings import Settings
from tests.support.lake import Lake
from tests.support.people.generator import SCHEMA
from tests.support.people.staging import make_tables, stage
from tests.support.project import copy_of_the_project
from tests.support.spark import link_jars

pytestmark = pytest.mark.spark

_ALIKE = {"first_name": "Wilhelmina", "last_name": "Oudekerk", "email": "stargazer77@floe.example"}
_HOUSE = {"last_name": "Zwartkruis", "address": "Veldweg 12", "city": "Zwolle", "postal_code": "8011", "country": "NL"}
_SPOUSES = (
    {"source_id": "21", "first_name": "Marijke", "phone": "+31612345678", "email": "marijke.z@floe.example", **_HOUSE},
    {"source_id": "22", "first_name": "Bastiaan", "phone": "+31612345679", **_HOUSE},
)
_OFFICE = {"email": "info@veldhuis.example", "city": "Zwolle", "country": "NL"}
_COLLEAGUES = (
    {"source_id": "31", "first_name": "Sjoerd", "last_name": "Brandsma", "phone": "+31384567810", **_OFFICE},
    {"source_id": "32", "first_name": "Annelies", "last_name": "Kuipers", "phone": "+31384567811", **_OFFICE},
)
_NOBODY = {"email": "test@example.com", "country": "BR"}
_CREW = {"email": "crew@schip.example", "country": "NO"}
_STRANGERS = (
    {"source_id": "41", "last_name": "Cunha", **_NOBODY},
    {"source_id": "42", "first_name": "Davi", "last_name": "Cunha", **_NOBODY},
    {"source_id": "43", "first_name": "Davi", "last_name": "Cunha", "country": "BR"},
    {"source_id": "51", "last_name": "Quist", **_CREW},
    {"source_id": "52", "first_name": "Olav", "last_name": "Quist", **_CREW},
    *({"source_id": f"crew-{one}", "last_name": one * 6, **_CREW} for one in "abcdefghijklmn"),
)


class Decided:
    """A lake built by a copy of the project, whose seeds the command writes."""

    def __init__(self, folder: Path) -> None:
        self.project = copy_of_the_project(folder / "project")
        home = folder / "home"
        link_jars(home)
        self.lake = Lake(Settings(home=home), self.project)
        self.lake.dbt("seed")
        make_tables(self.lake)

    def decide(self, record_a: str, record_b: str, decision: str) -> None:
        words = ["er", "override", record_a, record_b, decision, "--reason", 'it is "known", so', "--author", "a test"]
        environ = {**os.environ, "FRAZIL_HOME": str(self.lake.settings.home_dir), "PYTHONPATH": str(self.project)}
        command = [sys.executable, "-c", "from ingestion.cli import main; main()", *words]
        subprocess.run(command, check=True, cwd=self.project, env=environ, capture_output=True)

    def build(self, literal_rows: int) -> list[set[str]]:
        """The entities of more than one record, by the records' own ids."""
        self.lake.dbt("seed")
        told = f"{{most_literal_rows: {literal_rows}}}"
        self.lake.dbt("run", "--select", "path:models/semantic", "--vars", told)
        found: dict[str, set[str]] = {}
        for row in self.lake.rows("semantic.entity_index"):
            found.setdefault(row["entity_id"], set()).add(row["source_id"])
        return sorted((one for one in found.values() if len(one) > 1), key=min)


@pytest.fixture
def decided(tmp_path: Path) -> Decided:
    return Decided(tmp_path)


def _people(*rows: dict[str, str]) -> pa.Table:
    empty = dict.fromkeys(SCHEMA.names)
    return pa.Table.from_pylist([{**empty, "source": "shopify", **row, "person_id": 1} for row in rows], schema=SCHEMA)


@pytest.mark.parametrize("literal_rows", [0, 2000])
def test_decisions_hold_between_living_records_and_contradicting_ones_leave_theirs_alone(
    decided: Decided, literal_rows: int
) -> None:
    alike = [{"source_id": "1", **_ALIKE}, {"source_id": "2", **_ALIKE}]
    others = [{"source_id": one, "email": f"{one * 9}@other.example"} for one in "345678"]
    stage(decided.lake.catalog, _people(*alike, *others, *_SPOUSES, *_COLLEAGUES, *_STRANGERS))
    assert decided.build(literal_rows) == [{"1", "2"}], "what couples, colleagues and crews share does not tell"

    decided.decide("shopify:1", "shopify:2", "cannot_link")
    decided.decide("shopify:3", "shopify:4", "must_link")
    decided.decide("shopify:5", "shopify:unknown", "must_link")
    decided.decide("shopify:6", "shopify:unknown", "must_link")
    decided.decide("shopify:6", "shopify:7", "must_link")
    decided.decide("shopify:7", "shopify:8", "must_link")
    assert decided.build(literal_rows) == [{"3", "4"}, {"6", "7", "8"}]

    decided.decide("shopify:6", "shopify:8", "cannot_link")
    decided.decide("shopify:1", "shopify:2", "none")
    stage(decided.lake.catalog, _people(others[1]), replace=True, deleted=True)
    assert decided.build(literal_rows) == [{"1", "2"}]
    alone = {row["source_id"]: row["match_tier"] for row in decided.lake.rows("semantic.entity_index")}
    assert {alone[one] for one in "35678"} == {"self"}
    decided.lake.dbt("test", "--select", "assert_no_entity_is_larger_than_the_tiers_allow")
