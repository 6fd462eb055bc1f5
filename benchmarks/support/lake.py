"""A lake of its own for a benchmark: orders through the real journal and sink, built as `frazil run` builds them."""

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path

from pyiceberg.catalog import Catalog

from ingestion.build.dbt import Dbt
from ingestion.build.runner import Builder, BuildReport
from ingestion.lake.catalog import open_catalog
from ingestion.lake.sink import drain
from ingestion.settings import Settings
from ingestion.webhooks.generator.plain import plain_orders
from ingestion.webhooks.journal import Journal
from tests.support.spark import is_started, link_jars, session_for

_CHUNK = 50_000


class BenchLake:
    """Spark is started at the first build of the process; later lakes have sessions of their own in it."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.catalog: Catalog = open_catalog(settings)
        self._builder = Builder(settings, self.catalog, Dbt(settings))
        self.settings.journal_dir.mkdir(parents=True, exist_ok=True)
        drain(settings)

    def land(self, first: int, count: int, *, version: int, orders: int) -> None:
        """Bring orders into raw, in chunks so that the journal stays small."""
        for start in range(first, first + count, _CHUNK):
            size = min(_CHUNK, first + count - start)
            with Journal.open(self.settings.journal_dir / "worker-0.db") as journal:
                journal.append(list(plain_orders(start, size, version=version, orders=orders)))
            drain(self.settings)

    def change(self, numbers: list[int], *, version: int, orders: int) -> None:
        """Bring later versions of these orders into raw, in the order given."""
        told = chain.from_iterable(plain_orders(number, 1, version=version, orders=orders) for number in numbers)
        with Journal.open(self.settings.journal_dir / "worker-0.db") as journal:
            journal.append(list(told))
        drain(self.settings)

    def build(self, everything: bool = False) -> tuple[float, BuildReport]:
        """Wall seconds and report; raises RuntimeError if anything failed: no figure rests on a broken build."""
        started = time.perf_counter()
        done = self._builder.build(everything)
        seconds = time.perf_counter() - started
        if done.not_good:
            raise RuntimeError(f"the build failed: {[(one.unique_id, one.message) for one in done.not_good]}")
        return seconds, done


@contextmanager
def bench_lake() -> Iterator[BenchLake]:
    """A lake in a temporary folder, with the jars of the set-up."""
    with tempfile.TemporaryDirectory(prefix="frazil-bench-") as folder:
        settings = Settings(home=Path(folder).resolve())
        if is_started():
            session_for(settings)
        else:
            link_jars(settings.home_dir)
        yield BenchLake(settings)
