"""Writers that change the shop all the time: what a consistent load and a change log have to stand up to."""

import multiprocessing
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.synchronize import Event as ProcessEvent
from random import Random
from typing import Any

import psycopg
import pymysql

from ingestion.errors import PermanentError, RetryableError, UsageError
from ingestion.stack.connect import connect_mariadb, connect_postgres
from ingestion.stack.part import Facts
from ingestion.stack.shop.changes import WEIGHTS

_ROLLED_BACK = 0.1  # share of transactions that are taken back on purpose
_LONG = 0.01  # share that stays open for a while before its end
_LONG_SECONDS = (0.2, 2.0)
_CONFLICTS_OF_MARIADB = (1205, 1213, 1020, 1062, 1451, 1452)  # lock wait, deadlock, changed row, duplicate, references
_CONFLICTS_OF_POSTGRES = (
    psycopg.errors.DeadlockDetected,
    psycopg.errors.SerializationFailure,
    psycopg.errors.IntegrityError,
    psycopg.errors.LockNotAvailable,
)


@dataclass
class Written:
    """Transactions by outcome, and committed ones by what they did."""

    committed: int = 0
    rolled_back: int = 0
    conflicts: int = 0
    long: int = 0
    seconds: float = 0.0
    changes: Counter[str] = field(default_factory=Counter)


def write(
    shop: Facts,
    seconds: float,
    writers: int = 4,
    seed: int = 1,
    stop: Callable[[], bool] = lambda: False,
    on_commit: Callable[[int], None] = lambda committed: None,
) -> Written:
    """Change the database for `seconds`, or until `stop()`; each writer has its connection and its own random order.

    The seed decides what a writer tries; which rows it finds depends on the others. Conflicts between writers are
    counted and taken back. Raises UsageError when `shop` is no shop, RetryableError when the server is lost.
    """
    written, lock = Written(), threading.Lock()
    deadline = time.monotonic() + seconds
    failures: list[Exception] = []

    def done() -> bool:
        return bool(failures) or interrupted.is_set() or stop() or time.monotonic() >= deadline

    def work(number: int) -> None:
        try:
            _write_one(shop, Random(f"{seed} {number}"), done, written, lock)  # noqa: S311 - content, not secrets
        except (psycopg.Error, pymysql.Error) as error:
            failures.append(error)

    began = time.monotonic()
    interrupted = threading.Event()
    threads = [threading.Thread(target=work, args=(number,), name=f"writer-{number}") for number in range(writers)]
    for thread in threads:
        thread.start()
    try:
        while any(thread.is_alive() for thread in threads):
            for thread in threads:
                thread.join(0.1 / writers)
            on_commit(written.committed)
    finally:
        interrupted.set()
    written.seconds = time.monotonic() - began
    if failures:
        raise _explained(shop, failures[0])
    return written


@contextmanager
def writing(shop: Facts, writers: int = 4, seed: int = 1) -> Iterator[Callable[[], Written]]:
    """Writers in a process of their own while the block lasts; call what it yields to end them and see what they did.

    They are at work when the block begins. A writer's error is raised by that call, or at the block's end.
    """
    context = multiprocessing.get_context("spawn")
    started, stop = context.Event(), context.Event()
    results: Any = context.SimpleQueue()
    process = context.Process(target=_process, args=(shop, writers, seed, started, stop, results), daemon=True)
    process.start()
    outcomes: list[Written | Exception] = []

    def end() -> Written:
        if not outcomes:
            stop.set()
            answered = _answers(process, results)
            outcomes.append(results.get() if answered else RetryableError("the writers' process was killed"))
            process.join()
        if isinstance(outcomes[0], Exception):
            raise outcomes[0]
        return outcomes[0]

    try:
        while not started.wait(0.05):
            if not process.is_alive() or not results.empty():
                break
        yield end
        if not outcomes:
            end()
    finally:
        stop.set()
        process.join(30)
        if process.is_alive():
            process.kill()


def _answers(process: Any, results: Any) -> bool:
    while results.empty():
        if not process.is_alive():
            return not results.empty()
        time.sleep(0.02)
    return True


def _process(shop: Facts, writers: int, seed: int, started: ProcessEvent, stop: ProcessEvent, results: Any) -> None:
    def on_commit(committed: int) -> None:
        if committed:
            started.set()

    try:
        results.put(write(shop, float("inf"), writers, seed, stop.is_set, on_commit))
    except (PermanentError, RetryableError) as error:
        results.put(error)


def _write_one(shop: Facts, chance: Random, done: Callable[[], bool], written: Written, lock: threading.Lock) -> None:
    changes, weights = zip(*WEIGHTS, strict=True)
    with _transactions(shop) as connection:
        while not done():
            change = chance.choices(changes, weights)[0]
            back, long = chance.random() < _ROLLED_BACK, chance.random() < _LONG
            pause = chance.uniform(*_LONG_SECONDS)
            try:
                with connection.cursor() as cursor:
                    change(cursor, chance)
                if long:
                    _sleep(pause, done)
                if back:
                    connection.rollback()
                else:
                    connection.commit()
            except (psycopg.Error, pymysql.Error) as error:
                if not is_conflict(error):
                    raise
                connection.rollback()
                with lock:
                    written.conflicts += 1
                continue
            with lock:
                written.long += long
                written.rolled_back += back
                if not back:
                    written.committed += 1
                    written.changes[change.__name__] += 1


@contextmanager
def _transactions(shop: Facts) -> Iterator[Any]:
    """A connection whose statements make one transaction until commit or rollback, at read committed."""
    connection: Any
    if shop.scheme == "postgresql":
        connection = connect_postgres(shop)
        connection.autocommit = False
    else:
        connection = connect_mariadb(shop)
        connection.autocommit(False)
        connection.query("set session transaction isolation level read committed")
        connection.query("set session innodb_lock_wait_timeout = 5")
    try:
        yield connection
    finally:
        connection.close()


def is_conflict(error: Exception) -> bool:
    """Whether transactions got in each other's way: taken back, the same may be tried again."""
    if isinstance(error, psycopg.Error):
        return isinstance(error, _CONFLICTS_OF_POSTGRES)
    return isinstance(error, pymysql.Error) and bool(error.args) and error.args[0] in _CONFLICTS_OF_MARIADB


def _explained(shop: Facts, error: Exception) -> PermanentError | RetryableError:
    words = str(error).strip().splitlines()[0]
    if isinstance(error, psycopg.errors.UndefinedTable) or (isinstance(error, pymysql.Error) and 1146 in error.args):
        return UsageError(f"{shop.url} is not a whole shop ({words}); run `frazil stack up`")
    if isinstance(error, psycopg.OperationalError | pymysql.err.OperationalError | pymysql.err.InterfaceError):
        return RetryableError(f"{shop.url}: connection lost ({words}); see `frazil stack status`")
    return PermanentError(f"{shop.url}: a writer failed: {words}")


def _sleep(seconds: float, done: Callable[[], bool]) -> None:
    end = time.monotonic() + seconds
    while not done() and time.monotonic() < end:
        time.sleep(0.02)
