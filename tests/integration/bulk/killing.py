"""A process that starts loads and kills them: `python -m tests.integration.bulk.killing HITS SEED ENGINE`.

Everything is imported once and each load is a fork, so that a round costs what the load does and not its start. What
is loaded is source `lab` of FRAZIL_CONFIG_DIR, into the lake of FRAZIL_HOME. A kill is a hit if it met a load that was
at a table: a load that ended before it was killed does not count, and the next one makes a new copy. Prints `Hits`.
"""

import json
import os
import random
import select
import signal
import sys
import time
from dataclasses import asdict, dataclass
from typing import TextIO

from ingestion.bulk.load import Load, Options
from ingestion.bulk.marks import marks_of
from ingestion.bulk.progress import Board
from ingestion.bulk.sources import database
from ingestion.lake.catalog import open_catalog
from ingestion.settings import Settings

_BEGUN, _READ, _ENDED = b"b", b".", b"e"


@dataclass
class Hits:
    """`loads` that were started, `hits` among them, those that met a new copy beside a complete one (`anew`), and those
    that left a copy with chunks that are committed and chunks that are not (`partial`)."""

    loads: int = 0
    hits: int = 0
    anew: int = 0
    partial: int = 0


class _Telling(Board):
    """Writes a byte when a table begins, when rows are read, and when a table ends."""

    def __init__(self, stream: TextIO, progress: int) -> None:
        super().__init__(stream)
        self._progress = progress

    def begin(self, table: str, total: int) -> None:
        os.write(self._progress, _BEGUN)
        super().begin(table, total)

    def advance(self, table: str, rows: int) -> None:
        if rows:
            os.write(self._progress, _READ)
        super().advance(table, rows)

    def end(self, table: str) -> None:
        super().end(table)
        os.write(self._progress, _ENDED)


def kill_at_random(wanted: int, seed: int, engine: str) -> Hits:
    """Kill loads, each a random moment after it has read some batches, until `wanted` of them were hit at work, and one
    or more in the middle of a copy."""
    chance = random.Random(seed)
    settings = Settings()
    found = Hits()
    is_resumed = False
    while (found.hits < wanted or not found.partial) and found.loads < 4 * wanted:
        found.loads += 1
        options = Options(parallel_tables=chance.choice([1, 3]), is_resumed=is_resumed, engine=engine)
        is_hit = _killed(settings, options, chance)
        copies = _copies(settings)
        found.hits += is_hit
        found.anew += is_hit and any(complete for complete, _ in copies)
        found.partial += is_hit and any(0 < committed < 1 for _, committed in copies)
        # A copy that ended is followed by a new one; of the stopped ones one in four is left for another new one.
        is_resumed = is_hit and chance.random() < 0.75
    return found


def _killed(settings: Settings, options: Options, chance: random.Random) -> bool:
    """Whether the load was at a table when it was killed."""
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            work = Load(settings, database(settings.config_dir, "lab"), options)
            with _Telling(sys.stderr, write_end) as board:
                work.run(board)
        finally:
            os._exit(0)
    os.close(write_end)
    is_spark = options.engine == "jdbc"  # tells of its rows twice a second, and is slower to begin
    told = b""
    for _ in range(chance.randint(1, 14)):
        if not select.select([read_end], [], [], 120)[0]:
            break
        said = os.read(read_end, 1)
        if not said:
            break
        told += said
    time.sleep(chance.uniform(0, 1.5 if is_spark else 0.15))
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    while said := os.read(read_end, 4096):
        told += said
    os.close(read_end)
    return os.WIFSIGNALED(status) and told.count(_BEGUN) > told.count(_ENDED)


def _copies(settings: Settings) -> list[tuple[bool, float]]:
    """Of each table: whether it has a complete copy, and how much of the chunks of its newest copy is committed."""
    catalog = open_catalog(settings)
    try:
        found = [marks_of(catalog.load_table(name)) for name in catalog.list_tables("raw")]
    finally:
        catalog.close()
    return [
        (any(mark.completed_at for mark in marks.values()), len(newest.done) / len(newest.chunks))
        for marks in found
        for newest in list(marks.values())[-1:]
    ]


if __name__ == "__main__":
    print(json.dumps(asdict(kill_at_random(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]))))
