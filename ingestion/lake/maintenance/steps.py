"""What builds keep beside the lake until they are done, and leave there when they are killed."""

import contextlib
import logging
import os
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

log = logging.getLogger(__name__)

_LEFT_AFTER = timedelta(days=1)


def remove_left_steps(folder: Path, now: datetime) -> list[str]:
    """Delete the folders of runs that have written nothing for a day; returns their names."""
    limit = now.astimezone(UTC) - _LEFT_AFTER
    left = [run for run in sorted(folder.glob("*")) if _written_last(run) < limit]
    for run in left:
        shutil.rmtree(run, ignore_errors=True)  # its run may be ending just now
        log.info("steps_removed", extra={"folder": str(run)})
    return [run.name for run in left]


def _written_last(run: Path) -> datetime:
    moments = [0.0]
    for folder, _, files in os.walk(run):  # what vanishes meanwhile is left out
        for path in (Path(folder), *(Path(folder, name) for name in files)):
            with contextlib.suppress(FileNotFoundError):
                moments.append(path.lstat().st_mtime)
    return datetime.fromtimestamp(max(moments), UTC)
