"""`frazil run` as a person sees it: a moving line while it builds, then short tables."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import NoSuchTableError

from ingestion.build.lease import build_lease
from ingestion.settings import Settings
from tests.support.project import SMALL, small_copy_of_the_project
from tests.support.terminal import on_a_terminal
from tests.unit.lake.deliveries import column, journalled, order

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
    assert "starting Spark" not in idle


def test_a_person_without_jars_is_told_in_one_line_what_to_run(settings: Settings, tmp_path: Path) -> None:
    project = small_copy_of_the_project(tmp_path / "project")
    (settings.home_dir / "jars").unlink()
    journalled(settings, [order(1)])

    code, said = on_a_terminal([*FRAZIL, "run"], {**os.environ, "PYTHONPATH": str(project), "COLUMNS": "999"}, project)

    assert code == 2, said
    (told,) = (line for line in said.splitlines() if "frazil: " in line)
    assert "run `frazil setup`" in told
    assert "java" not in said.replace("mariadb-java-client", "").lower()


def test_round_after_round_until_it_is_told_to_end_whatever_a_round_meets(
    settings: Settings, catalog: Catalog, tmp_path: Path
) -> None:
    project = small_copy_of_the_project(tmp_path / "project")
    environment = {**os.environ, "PYTHONPATH": str(project)}
    said = tmp_path / "said"

    def wait_for(condition: Callable[[], bool]) -> None:
        until = time.monotonic() + 120
        while not condition():
            assert watching.poll() is None, said.read_text()
            assert time.monotonic() < until, said.read_text()
            time.sleep(0.2)

    def staged() -> int:
        try:
            return len(column(catalog, "staging.stg_shopify_orders", "order_id"))
        except NoSuchTableError:
            return 0

    journalled(settings, [order(number) for number in range(5)])
    with said.open("w") as file, build_lease(settings.home_dir):
        words = [*FRAZIL, "run", "--watch", "0.5"]
        watching = subprocess.Popen(words, stdout=file, stderr=file, env=environment, cwd=project)
        wait_for(lambda: "round put off" in said.read_text())
    wait_for(lambda: staged() == 5)
    journalled(settings, [order(number) for number in range(5, 7)])
    wait_for(lambda: staged() == 7)
    watching.send_signal(signal.SIGTERM)

    assert watching.wait(60) == 0, said.read_text()
    assert said.read_text().count(" tests") == 2, "a round that built nothing says nothing"
