"""The lake as Airflow sees it: raw data that has arrived, and marts that have changed."""

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset, AssetWatcher
from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance
from airflow.triggers.base import BaseEventTrigger, TriggerEvent
from asgiref.sync import sync_to_async

from ingestion.settings import Settings

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog

log = logging.getLogger(__name__)


class NewDataTrigger(BaseEventTrigger):
    """Fires when deliveries wait in the journals or a raw table has rows that the last build has not read.

    Looks every `seconds` unless the DAG `reader` is running, which would be started for what it is about to build.
    Fires once for what it sees, so what a run cannot read starts no run after run. While the lake cannot be read it
    says so once and looks again.
    """

    def __init__(self, seconds: float, reader: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.seconds, self.reader = seconds, reader

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return "orchestration.include.assets.NewDataTrigger", {"seconds": self.seconds, "reader": self.reader}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        settings = Settings()
        seen: dict[str, Any] = {}
        trouble = ""
        while True:
            try:
                found = seen if await is_running(self.reader) else await asyncio.to_thread(new_data, settings)
            except Exception as error:  # whatever it is, the next look may succeed
                if str(error) != trouble:
                    log.warning("cannot look for new data, and tries again: %s", error)
                trouble = str(error)
            else:
                trouble = ""
                if found and found != seen:
                    yield TriggerEvent(found)  # type: ignore[no-untyped-call]
                seen = found
            await asyncio.sleep(self.seconds)


async def is_running(dag_id: str) -> bool:
    """Whether a run of that DAG is under way or about to begin, as Airflow tells a trigger."""
    count = sync_to_async(RuntimeTaskInstance.get_dr_count)  # its answer comes through the trigger's own event loop
    return await count(dag_id=dag_id, states=["queued", "running"]) > 0


def new_data(settings: Settings) -> dict[str, Any]:
    """Journals with the newest delivery that waits, and raw tables with the snapshot that is not built yet."""
    from ingestion.build.state import load_state
    from ingestion.lake.catalog import open_catalog
    from ingestion.lake.status import journals

    found: dict[str, Any] = {
        row["journal"]: row["last_seq"] for row in journals(settings.journal_dir) if row["waiting"]
    }
    catalog = open_catalog(settings)
    try:
        for built in load_state(catalog).values():
            for table, snapshot in built.parents.items():
                now = _data_snapshot(catalog, table) if table.startswith("raw.") else snapshot
                if now != snapshot:
                    found[table] = str(now)
    finally:
        catalog.close()
    return found


def raw_asset(settings: Settings, reader: str) -> Asset:
    """Raw data; an event of it starts a build by the DAG `reader`."""
    watcher = AssetWatcher(name="new_data", trigger=NewDataTrigger(settings.airflow_poll_seconds, reader))
    return Asset(name="raw", uri="frazil://lake/raw", watchers=[watcher])


def mart_asset(name: str) -> Asset:
    """One mart; an event of it says that the mart is good and has a new snapshot."""
    return Asset(name=f"marts.{name}", uri=f"frazil://lake/marts/{name}")


def changed_marts(settings: Settings, marts: list[str], published: dict[str, int]) -> dict[str, int]:
    """Of these marts those whose last build and tests were good and whose data is not the `published` snapshot."""
    from ingestion.build.state import load_state
    from ingestion.lake.catalog import open_catalog

    catalog = open_catalog(settings)
    try:
        good = {node.split(".")[-1] for node, built in load_state(catalog).items() if built.is_good}
        snapshots = {name: _data_snapshot(catalog, f"marts.{name}") for name in marts if name in good}
    finally:
        catalog.close()
    return {name: now for name, now in snapshots.items() if now is not None and published.get(name) != now}


def _data_snapshot(catalog: "Catalog", table: str) -> int | None:
    from pyiceberg.exceptions import NoSuchTableError

    from ingestion.build.state import data_snapshot

    try:
        return data_snapshot(catalog.load_table(table))
    except NoSuchTableError:
        return None
