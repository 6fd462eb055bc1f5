"""`frazil stack up kafka connect` after the downloads: from empty data until Connect answers with its connectors."""

import os
import statistics
import time

from benchmarks.report import report
from tests.support.databases import server_in, temporary_state

ROUNDS = int(os.environ.get("FRAZIL_BENCH_PAIRS", "5"))


def main() -> None:
    """The first round downloads and unpacks what is missing, and is not counted."""
    rounds = [_seconds() for _ in range(ROUNDS + 1)][1:]
    facts = {"rounds_seconds": [round(one, 1) for one in rounds], "load": os.getloadavg()[0]}
    longest = max(rounds)
    report("stack_ready", longest, "s longest", "< 30", longest < 30, {**facts, "median": statistics.median(rounds)})


def _seconds() -> float:
    with temporary_state() as state:
        kafka, connect = server_in(state, "kafka"), server_in(state, "connect")
        started = time.monotonic()
        try:
            connect.up()  # what it needs is started before it
            return time.monotonic() - started
        finally:
            connect.remove()
            kafka.remove()


if __name__ == "__main__":
    main()
