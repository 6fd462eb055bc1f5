"""Settings that cannot be read are told in one line that names the variable."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize(("name", "value"), [("FRAZIL_THREADS", "many"), ("FRAZIL_STACK_PORTS", "5432")])
def test_a_setting_that_cannot_be_read_is_named(name: str, value: str) -> None:
    words = [sys.executable, "-c", "from ingestion.cli import main; main()", "status"]

    done = subprocess.run(words, capture_output=True, text=True, env={name: value}, check=False)

    assert done.returncode == 2
    assert name.removeprefix("FRAZIL_").lower() in done.stderr.lower()
    assert "Traceback" not in done.stderr
