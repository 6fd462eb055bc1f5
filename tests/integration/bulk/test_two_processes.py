"""Two commands whose patterns overlap share the work: no table is loaded twice, what is left to the other is told."""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from ingestion.bulk.marks import marks_of
from ingestion.errors import RetryableError
from ingestion.lease import lease
from tests.integration.bulk.lab import Lab

FRAZIL = str(Path(sys.executable).with_name("frazil"))


def started(pattern: str) -> subprocess.Popen[str]:
    words = ["bulk", "load", "lab", "--table-filter", pattern, "--parallel-workers", "1", "--json"]
    return subprocess.Popen([FRAZIL, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def ended(process: subprocess.Popen[str]) -> tuple[int, dict[str, str], str]:
    """Exit code, the tables' statuses, and what was said."""
    output, said = process.communicate(timeout=120)
    rows: list[dict[str, Any]] = json.loads(output)["tables"]
    return process.returncode, {row["source_table"].split(".")[1]: row["status"] for row in rows}, said


def test_two_loads_with_overlapping_filters_load_each_table_once(lab: Lab) -> None:
    for name, rows in (("north", 20), ("northsouth", 6000), ("south", 20)):
        lab.sql(f"create table {name} (id bigint primary key, note varchar(200), amount decimal(12,2), qty integer)")
        lab.sql(f"insert into {name} {lab.series(rows)}")
        lab.analyze(name)
    leases = lab.settings.home_dir / "bulk"

    def is_held(name: str) -> bool:
        path = leases / f"raw.lab_{name}.lock"
        return path.exists() and path.read_text() != ""

    # Each process waits here in its first table that is free; the largest is tried first.
    with lease(leases / "state.lock", RetryableError):
        both = [started("north%"), started("%south")]
        deadline = time.monotonic() + 100
        while not (is_held("northsouth") and (is_held("north") or is_held("south"))):
            assert time.monotonic() < deadline
            time.sleep(0.02)
    found = {code: (statuses, said) for code, statuses, said in map(ended, both)}
    again = subprocess.run([FRAZIL, "bulk", "load", "lab", "--json"], capture_output=True, text=True, check=True)

    assert found.keys() == {0, 75}
    winner, loser = found[0][0], found[75][0]
    assert set(winner.values()) == {"loaded"}
    assert loser.pop("northsouth") == "busy"
    assert set(loser.values()) == {"loaded"}
    assert {*winner, *loser} == {"north", "northsouth", "south"}
    assert "frazil: raw.lab_northsouth is being loaded by process" in found[75][1]
    assert {row["status"] for row in json.loads(again.stdout)["tables"]} == {"complete"}
    for name in ("north", "northsouth", "south"):
        assert len(marks_of(lab.catalog.load_table(f"raw.lab_{name}"))) == 1
        lab.assert_equal_to_source(name, "id", "note", "amount", "qty")
