"""`frazil run` as a person sees it: a moving line while it builds, then short tables."""

import os
import re
import sys
from pathlib import Path

import pytest

from ingestion.settings import Settings
from tests.support.project import SMALL, small_copy_of_the_project
from tests.support.terminal import on_a_terminal
from tests.unit.lake.deliveries import journalled, order

pytestmark = pytest.mark.spark

FRAZIL = [sys.executable, "-c", "from ingestion.cli import main; main()"]


def test_a_person_sees_how_far_the_build_is_and_what_it_did(settings: Settings, tmp_path: Path) -> None:
    project = small_copy_of_the_project(tmp_path / "project")
    environment = {**os.environ, "PYTHONPATH": str(project)}
    journalled(settings, [order(number) for number in range(20)])

    code, built = on_a_terminal([*FRAZIL, "run"], environment, project)
    again, idle = on_a_terminal([*FRAZIL, "run"], environment, project)

    assert (code, again) == (0, 0), built + idle
    assert "starting Spark" in built
    names = "|".join(SMALL)  # four are built at a time; which of them is seen is not told
    assert re.search(rf"({names}) .*\b\d+/\d+ ", built), "how many of how many"
    assert re.search(r"raw\.shopify_orders\W+20\b", built)
    assert re.search(r"\d+ tests, 0 failed", built)
    assert '"event"' not in built
    assert "nothing to build: no model has new input" in idle
