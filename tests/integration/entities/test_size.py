"""How many bits a lake's size takes from links that chance could have made."""

from pathlib import Path

import pytest

from ingestion.settings import Settings
from tests.support.lake import Lake
from tests.support.project import copy_of_the_project
from tests.support.spark import link_jars

pytestmark = pytest.mark.spark

# Living records, the bits stored before (None: a new index), and the bits they take.
_SIZES = (
    (65_536, None, 0),
    (65_537, None, 1),
    (131_073, 1, 3),
    (131_072, 3, 3),
    (117_965, 3, 3),
    (117_964, 3, 1),
    (58_982, 1, 0),
    (59_000, 1, 1),
    (40_000, 4, 0),
    (1_000_000, None, 6),
    (471_859, 6, 4),
    (471_860, 6, 6),
    (1_000_000, 4, 6),
)


def test_a_doubling_is_taken_back_when_a_tenth_of_its_records_are_gone(tmp_path: Path) -> None:
    project = copy_of_the_project(tmp_path / "project")
    cases = " union all ".join(
        f"select {living} as living, {stored or 0} as stored,"
        f" {{{{ offset_bits({living}, {stored or 'none'}) }}}} as bits"
        for living, stored, _ in _SIZES
    )
    model = "{{ config(unique_key=['living', 'stored']) }} " + cases
    (project / "models/semantic/sizes.sql").write_text(model, encoding="utf-8")
    link_jars(tmp_path / "home")
    lake = Lake(Settings(home=tmp_path / "home"), project)

    lake.dbt("run", "--select", "sizes")

    found = {(row["living"], row["stored"]): row["bits"] for row in lake.rows("semantic.sizes")}
    assert found == {(living, stored or 0): bits for living, stored, bits in _SIZES}
