"""The sink as a long-running process: a flush every second or so, until it is told to stop."""

import logging
import threading
import time
from collections.abc import Callable

from ingestion.errors import RetryableError
from ingestion.lake.batch import Counts
from ingestion.lake.elsewhere import Elsewhere
from ingestion.lake.journals import JournalsBusyError
from ingestion.lake.metrics import FAILURES
from ingestion.lake.sink import Flush, Sink

log = logging.getLogger(__name__)

_LONGEST_PAUSE = 30.0
_LOOK = 0.5


def run_sink(
    sink: Sink,
    stop: threading.Event,
    *,
    once: bool = False,
    flush_seconds: float = 1.0,
    report: Callable[[Flush], None] = lambda flush: None,
    waits_for_journals: bool = False,
    wait_seconds: float = 0.0,
) -> Counts:
    """Drain until `stop` is set (a flush under way is finished), or with `once` until nothing waits.

    What may succeed later is tried again after a growing pause; with `once` it is raised. Journals that all belong
    to another sink are an error either way, unless it `waits_for_journals`. With `wait_seconds`, `once` ends when the
    other sinks, too, have brought into raw what was in their journals, or raises RetryableError. To be stopped before
    that is an error with `once`.
    """
    elsewhere = Elsewhere(wait_seconds)
    total = Counts()
    pause = flush_seconds
    while not stop.is_set():
        started = time.monotonic()
        try:
            for done in sink.flushes():
                total.add(done.counts)
                report(done)
                if stop.is_set():
                    break
            pause = flush_seconds
        except JournalsBusyError:
            if not waits_for_journals and not wait_seconds:
                raise
            pause = _LONGEST_PAUSE
        except RetryableError as error:
            if once:
                raise
            FAILURES.inc()
            log.warning("flush_failed", extra={"run_id": sink.run_id, "reason": str(error), "next_try_seconds": pause})
            pause = min(max(pause, 0.5) * 2, _LONGEST_PAUSE)
        if once and not stop.is_set() and (not wait_seconds or not elsewhere.is_behind(sink.journals.busy)):
            break
        stop.wait(_LOOK if once else max(0.0, started + pause - time.monotonic()))
    else:
        if once:
            raise RetryableError("stopped before all that waits was committed; what is committed stays, run it again")
    return total
