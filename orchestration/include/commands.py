"""`frazil` commands as Airflow tasks: the exit code decides whether a task is tried again."""

import json
import logging
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from airflow.sdk.exceptions import AirflowException, AirflowFailException

from ingestion.errors import RetryableError

log = logging.getLogger(__name__)

# The console script of this environment; it needs no PATH.
FRAZIL = str(Path(sys.executable).parent / "frazil")


def frazil(*words: str) -> Any:
    """Run `frazil WORDS --json` and return its document; its log goes to the task's log, line by line.

    Raises AirflowException for exit code 75 (the task is tried again) and for a killed process, AirflowFailException
    for all others (trying again cannot help), both with the command's own last words.
    """
    document = _run([FRAZIL, *words, "--json"], f"frazil {' '.join(words)}")
    return json.loads(document) if document.strip() else None


def run_module(name: str) -> str:
    """Run `python -m name` and return what it printed; raises as `frazil` does."""
    return _run([sys.executable, "-m", name], name).strip()


def _run(command: list[str], title: str) -> str:
    log.info("%s", " ".join(command))
    last = ""
    with tempfile.TemporaryFile("w+") as output:
        with subprocess.Popen(command, stdout=output, stderr=subprocess.PIPE, text=True) as process:
            assert process.stderr is not None
            try:
                for line in process.stderr:
                    last = line.strip() or last
                    log.info("%s", line.rstrip())
            except BaseException:  # the task was stopped or took too long: its command ends with it
                process.terminate()
                raise
        output.seek(0)
        document = output.read()
    if process.returncode == RetryableError.exit_code or process.returncode < 0:
        raise AirflowException(f"{title}: {last or f'killed by signal {-process.returncode}'}")
    if process.returncode:
        raise AirflowFailException(f"{title}: {last} (exit {process.returncode})")
    return document
