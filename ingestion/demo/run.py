"""The demo's steps: a state folder of its own, a first wave, a build, a small second wave, a second build."""

import logging
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from pyiceberg.catalog import Catalog

from ingestion.build.dbt import Dbt
from ingestion.build.progress import Progress
from ingestion.build.runner import Builder, BuildReport
from ingestion.demo.accounting import Account, accounts, merged
from ingestion.demo.server import free_url, running_server
from ingestion.errors import PermanentError, UsageError
from ingestion.lake.batch import Counts
from ingestion.lake.catalog import open_catalog
from ingestion.lake.sink import drain
from ingestion.logs import JsonFormatter
from ingestion.progress import progress
from ingestion.runtime.jars import ensure_jars
from ingestion.runtime.java import find_java
from ingestion.runtime.spark import write_spark_env
from ingestion.settings import Settings
from ingestion.webhooks.generator import Request, business, order_updates
from ingestion.webhooks.sender import Sender, SendReport
from ingestion.webhooks.sources import load_sources

SOURCES = ("SHOPIFY", "STRIPE", "HUBSPOT")
CONNECTIONS = 32
_FEWEST_CHANGES = 4
_MARKER = "made-by-frazil-demo"


@dataclass(frozen=True)
class Plan:
    """What to play; `orders` give about ten requests each."""

    seed: int = 1
    orders: int = 980
    share: float = 0.01


@dataclass
class Wave:
    """One wave through all the steps."""

    sent: SendReport
    landed: Counts
    built: BuildReport
    seconds: dict[str, float] = field(default_factory=dict)


@dataclass
class Played:
    """Both waves, the account after the second, and each table's rows then."""

    settings: Settings
    first: Wave
    second: Wave
    accounts: list[Account]
    table_rows: dict[str, int]


Say = Callable[[str, str, float | None], None]
"""Told a finished step's name, what came of it, and its seconds; a headline has no name and no seconds."""


class Demo:
    """Plays a plan in `home`, which is emptied first; `say` is told each step."""

    def __init__(self, settings: Settings, home: Path, plan: Plan, say: Say, stream: TextIO) -> None:
        self._jars = settings.jars_dir
        self._outer_home = settings.home_dir
        self._plan = plan
        self._say = say
        self._stream = stream
        self._url = free_url()
        changed = {"home": home.resolve(), "public_base_url": self._url}
        self.settings = Settings(**{**settings.model_dump(), **changed})
        self._environment = {f"{name}_WEBHOOK_SECRET": secrets.token_hex(24) for name in SOURCES}

    def play(self) -> Played:
        """Run everything; raises what a step raises, PermanentError if a model fails to build."""
        self._prepare()
        home = self.settings.home_dir
        environment = {
            **self._environment,
            "FRAZIL_HOME": str(home),
            "FRAZIL_CONFIG_DIR": str(self.settings.config_dir),
            "FRAZIL_PUBLIC_BASE_URL": self._url,
        }
        bar = Progress(self._stream)
        catalog = open_catalog(self.settings)
        builder = Builder(self.settings, catalog, Dbt(self.settings, bar.on_event))
        started = time.monotonic()
        with running_server(self._url, environment, home / "logs" / "server.log"):
            self._say("server", f"{self._url}, with secrets made for this run", time.monotonic() - started)
            plan = self._plan
            self._say("", f"First wave: {plan.orders:,} orders and the people who place them", None)
            first = self._wave("business", business(plan.seed, orders=plan.orders), builder, bar)
            share = max(plan.share, _FEWEST_CHANGES / plan.orders)
            self._say("", f"Second wave: one in {round(1 / share)} orders changes once more", None)
            changes = order_updates(plan.seed, orders=plan.orders, share=share)
            second = self._wave("changes", changes, builder, bar)
            balance = accounts(merged(first.sent, second.sent), self._url, catalog)
        return Played(self.settings, first, second, balance, _table_rows(catalog, first.built))

    def _prepare(self) -> None:
        started = time.monotonic()
        home = self.settings.home_dir
        java = find_java(self._outer_home)
        jars = ensure_jars("spark", self._jars, java)
        write_spark_env(java)
        empty(home)
        home.mkdir(parents=True, exist_ok=True)
        (home / _MARKER).write_text("`frazil demo` empties this folder each time it starts.\n", encoding="utf-8")
        self.settings.jars_dir.symlink_to(self._jars, target_is_directory=True)
        _log_to(home / "logs" / "demo.log", self.settings.log_level)
        os.environ["FRAZIL_HOME"] = str(home)
        self._say("set-up", f"{len(jars)} jars, state in {home}", time.monotonic() - started)

    def _wave(self, name: str, requests: Iterator[Request], builder: Builder, bar: Progress) -> Wave:
        sent = self._send(name, requests)
        started = time.monotonic()
        landed = drain(self.settings)
        drained = time.monotonic() - started
        self._say("sink", _landed(landed), drained)
        built = self._build(builder, bar)
        return Wave(sent, landed, built, {"send": sent.seconds, "sink": drained, "build": built.seconds})

    def _send(self, name: str, requests: Iterator[Request]) -> SendReport:
        total = self._plan.orders * 10 if name == "business" else None
        with progress(f"sending {name}", total, self._stream) as meter:
            sender = Sender(
                self._url,
                load_sources(self.settings.config_dir, {**os.environ, **self._environment}),
                self._url,
                connections=CONNECTIONS,
                on_answer=lambda report: meter.at(report.answered),
            )
            sent = sender.send(requests)
        rate = sent.answered / sent.seconds
        self._say(
            "send", f"{sent.answered:,} signed requests, {rate:,.0f}/s, {sent.bytes_sent / 1e6:,.1f} MB", sent.seconds
        )
        return sent

    def _build(self, builder: Builder, bar: Progress) -> BuildReport:
        started = time.monotonic()
        try:
            built = builder.build(on_selected=bar.start, unit_tests=False)
        finally:
            bar.stop()
        tests = sum(one.is_test for one in built.results)
        failed = [*built.failed_nodes, *built.failed_tests]
        if failed:
            said = [f"{one.unique_id}: {' '.join(one.message.split())[:300]}" for one in failed[:5]]
            raise PermanentError("\n  ".join([f"{len(failed)} nodes of the dbt build failed:", *said]))
        rows = sum(built.rows_written.values())
        text = f"{len(built.tables)} tables looked at, {rows:,} rows written, {tests} tests passed"
        self._say("dbt build", text, time.monotonic() - started)
        return built


def empty(home: Path) -> None:
    """Delete what an earlier demo left; raises UsageError for a folder that holds anything else."""
    if home.exists() and any(home.iterdir()) and not (home / _MARKER).exists():
        raise UsageError(f"{home} is not empty and no demo made it; choose another --home")
    shutil.rmtree(home, ignore_errors=True)


def _landed(counts: Counts) -> str:
    tables = sum(1 for name in counts.tables if name.startswith("raw."))
    return f"{counts.rows:,} rows in {tables} raw tables, {counts.rejected:,} in quarantine"


def _table_rows(catalog: Catalog, built: BuildReport) -> dict[str, int]:
    tables = (name for name in built.tables.values() if catalog.table_exists(name))  # a view has no rows of its own
    return {name: catalog.load_table(name).scan().count() for name in tables}


def _log_to(path: Path, level: str) -> None:
    """Logs of this process go to a file: the terminal shows the demo."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(path)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
