"""What a model keeps in files until it is done is nobody else's, and goes with its run."""

from pathlib import Path

import pytest

from ingestion.settings import Settings
from tests.support.lake import Lake
from tests.support.project import small_copy_of_the_project
from tests.support.spark import link_jars

pytestmark = pytest.mark.spark

_MODEL = """{{ config(unique_key=['number'], post_hook='{{ drop_steps() }}') }}
{%- if execute %}
{%- set rows = kept_table('rows', 'select id as number, 2 * id as doubled from range(3)') %}
select number, doubled from {{ rows }} as kept where LAST
{%- endif %}
"""


def kept_schemas(lake: Lake) -> list[str]:
    found = [row.namespace for row in lake.spark.sql("show schemas in spark_catalog").collect()]
    return [name for name in found if name.startswith("run_")]


def test_steps_kept_in_files_go_when_their_run_ends_however_it_ends(tmp_path: Path) -> None:
    project = small_copy_of_the_project(tmp_path / "project")
    model = project / "models/staging/numbers.sql"
    home = tmp_path / "home"
    link_jars(home)
    lake = Lake(Settings(home=home), project)

    model.write_text(_MODEL.replace("LAST", "number > 0"), encoding="utf-8")
    lake.dbt("run", "--select", "numbers")
    assert sorted(row["number"] for row in lake.rows("staging.numbers")) == [1, 2]
    assert kept_schemas(lake) == []

    model.write_text(_MODEL.replace("LAST", "raise_error('broken') is null"), encoding="utf-8")
    with pytest.raises(AssertionError, match="broken"):
        lake.dbt("run", "--select", "numbers")
    assert kept_schemas(lake) == []
    steps = lake.spark.sql("set spark.sql.warehouse.dir").first()
    assert steps is not None
    assert list(Path(steps.value.removeprefix("file:")).glob("run_*")) == []
