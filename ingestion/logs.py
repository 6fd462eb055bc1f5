"""JSON lines on standard error: one object per line with `event`, `source`, `table`, `run_id` where they apply.

With FRAZIL_LOG_DIR the same lines go to a file there, which all processes append to and which may be rotated.
"""

import json
import logging
import sys
from datetime import UTC, datetime
from logging.handlers import WatchedFileHandler
from typing import Any

from ingestion.errors import UsageError
from ingestion.settings import Settings

FILE = "frazil.log"
_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}


class JsonFormatter(logging.Formatter):
    """One record as one JSON object; keys given by `extra=` stand beside `event`."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname.lower(),
            "logger": record.name,
            "thread": record.threadName,
            "event": record.getMessage(),
        }
        line.update({key: value for key, value in record.__dict__.items() if key not in _STANDARD})
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str, ensure_ascii=False)


def configure_logging(settings: Settings) -> None:
    """Send the whole process's log where the settings say. Raises UsageError when the file cannot be written."""
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stderr)]
    if settings.log_dir is not None:
        try:
            settings.log_dir.mkdir(parents=True, exist_ok=True)
            handlers.append(WatchedFileHandler(settings.log_dir / FILE, encoding="utf-8"))
        except OSError as error:
            raise UsageError(f"FRAZIL_LOG_DIR: {FILE} cannot be written there ({error})") from error
    for handler in handlers:
        handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=settings.log_level.upper(), handlers=handlers, force=True)
