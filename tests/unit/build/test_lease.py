import os
import subprocess
import sys
from pathlib import Path

import pytest

from ingestion.build.lease import build_lease
from ingestion.errors import RetryableError


def test_a_second_build_of_a_lake_is_told_who_holds_the_first(tmp_path: Path) -> None:
    with (
        build_lease(tmp_path),
        pytest.raises(RetryableError, match=f"process {os.getpid()}; try again later"),
        build_lease(tmp_path),
    ):
        pass


def test_the_lease_of_a_killed_process_is_free_again(tmp_path: Path) -> None:
    code = (
        "import pathlib, time; from ingestion.build.lease import build_lease\n"
        f"with build_lease(pathlib.Path({str(tmp_path)!r})): print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        holder.kill()

    with build_lease(tmp_path):
        assert (tmp_path / "build.lock").read_text() == str(os.getpid())
