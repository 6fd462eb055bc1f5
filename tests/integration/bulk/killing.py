"""A process that starts loads and kills them: `python -m tests.integration.bulk.killing ROUNDS SEED`.

Everything is imported once and each load is a fork, so that a round costs what the load does and not its start. What
is loaded is source `lab` of FRAZIL_CONFIG_DIR, into the lake of FRAZIL_HOME.
"""

import os
import random
import select
import signal
import sys
import time
from typing import TextIO

from ingestion.bulk.load import Load, Options
from ingestion.bulk.progress import Board
from ingestion.bulk.sources import database
from ingestion.settings import Settings


class _Telling(Board):
    """Writes a byte at each batch."""

    def __init__(self, stream: TextIO, progress: int) -> None:
        super().__init__(stream)
        self._progress = progress

    def advance(self, table: str, rows: int) -> None:
        os.write(self._progress, b".")
        super().advance(table, rows)


def kill_at_random(rounds: int, seed: int) -> None:
    """Kill `rounds` loads, each a random moment after it has read some batches."""
    chance = random.Random(seed)
    for _ in range(rounds):
        read_end, write_end = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                settings = Settings()
                readers = chance.choice([1, 3])
                work = Load(settings, database(settings.config_dir, "lab"), Options(parallel_tables=readers))
                with _Telling(sys.stderr, write_end) as board:
                    work.run(board)
            finally:
                os._exit(0)
        os.close(write_end)
        for _ in range(chance.randint(0, 12)):
            if not select.select([read_end], [], [], 20)[0] or not os.read(read_end, 1):
                break
        time.sleep(chance.uniform(0, 0.15))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(read_end)


if __name__ == "__main__":
    kill_at_random(int(sys.argv[1]), int(sys.argv[2]))
