"""How far a build is: a line that moves on a terminal, JSON lines elsewhere."""

import json
import time
from typing import TextIO

from dbt_common.events.base_types import EventMsg
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

from ingestion.build.selection import Selection
from ingestion.terminal import literal_console


class Progress:
    """Follows dbt's events; `start` and `stop` once per build."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._is_terminal = stream.isatty()
        self._bar: Bar | None = None
        self._task = TaskID(0)

    def start(self, selection: Selection) -> None:
        """Announce a build of these nodes and the tests that hang on them."""
        for node in selection.rebuild:
            self._line("rebuilt from all its input", node, selection.reasons[node])
        if self._is_terminal:
            columns = (TextColumn("{task.description:40}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
            self._bar = Bar(*columns, console=literal_console(self._stream), transient=True)
            self._task = self._bar.add_task("starting Spark", total=None)
            self._bar.start()

    def stop(self) -> None:
        """Take the bar away; nothing if there is none."""
        if self._bar:
            self._bar.stop()
            self._bar = None

    def on_event(self, event: EventMsg) -> None:
        """dbt's callback: a node has started, the line about it tells of how many, or it has finished."""
        if event.info.name == "NodeStart" and self._bar:
            self._bar.update(self._task, description=event.data.node_info.node_name[:40])
        elif event.info.name == "LogStartLine" and self._bar:
            self._bar.update(self._task, total=event.data.total)
        elif event.info.name == "NodeFinished":
            if self._bar:
                self._bar.advance(self._task)
            else:
                node = event.data.node_info
                self._line("finished", node.unique_id, node.node_status)

    def _line(self, event: str, node: str, detail: str) -> None:
        if self._bar or self._is_terminal:
            literal_console(self._stream).print(f"{event}: {node} ({detail})", style="dim")
        else:
            line = {"event": event, "node": node, "detail": detail, "at": time.time()}
            print(json.dumps(line), file=self._stream, flush=True)
