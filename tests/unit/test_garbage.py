"""What `collect_rarely` leaves behind."""

import subprocess
import sys

PROGRAM = """
import duckdb
from ingestion.garbage import collect_rarely
duckdb.connect().sql("select 1").fetchall()
collect_rarely()
"""


def test_a_program_that_ends_after_it_says_nothing_of_what_is_left() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], check=True, capture_output=True, text=True, timeout=60)

    assert done.stderr == ""
