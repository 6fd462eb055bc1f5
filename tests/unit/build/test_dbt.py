"""dbt inside this process leaves standard output to the command that runs it."""

from pathlib import Path

import pytest

from ingestion.build.dbt import Dbt
from ingestion.errors import PermanentError
from ingestion.settings import Settings


def test_what_dbt_says_of_a_broken_project_is_in_the_error_and_not_on_standard_output(
    settings: Settings, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    project = tmp_path / "project"
    (project / "models").mkdir(parents=True)
    (project / "dbt_project.yml").write_text("name: broken\nprofile: frazil\nmodel-paths: [models]\n")
    (project / "models/orders.sql").write_text("select * from {{ ref('nowhere') }}")

    with pytest.raises(PermanentError, match="nowhere"):
        _ = Dbt(settings, project_dir=project).manifest

    assert capfd.readouterr().out == ""
