"""The log: one JSON object per line, on standard error and, where a folder is named, in a file there."""

import json
import logging
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ingestion.errors import UsageError
from ingestion.logs import FILE, JsonFormatter, configure_logging
from ingestion.settings import Settings

log = logging.getLogger("ingestion.test")


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    """The handlers of a test end with it."""
    yield
    root = logging.getLogger()
    for handler in list(root.handlers):
        if isinstance(handler.formatter, JsonFormatter):
            root.removeHandler(handler)
            handler.close()


def lines(text: str) -> list[Any]:
    return [json.loads(line) for line in text.splitlines()]


def test_a_line_says_what_happened_where_and_in_which_thread(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logging(Settings(home=tmp_path))

    thread = threading.Thread(
        target=log.warning, args=("load_retried",), kwargs={"extra": {"table": "raw.shop_orders"}}, name="table_0"
    )
    thread.start()
    thread.join()

    (line,) = lines(capsys.readouterr().err)
    assert (line["event"], line["table"], line["thread"]) == ("load_retried", "raw.shop_orders", "table_0")
    assert (line["level"], line["logger"]) == ("warning", "ingestion.test")


def test_the_same_lines_are_in_the_folder_that_is_named_and_rotation_begins_a_new_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "logs" / "frazil"
    configure_logging(Settings(home=tmp_path, log_dir=folder))

    log.warning("one")
    (folder / FILE).rename(folder / "old.log")
    log.warning("two")

    assert [line["event"] for line in lines((folder / "old.log").read_text())] == ["one"]
    assert [line["event"] for line in lines((folder / FILE).read_text())] == ["two"]
    assert [line["event"] for line in lines(capsys.readouterr().err)] == ["one", "two"]


def test_a_folder_that_cannot_be_made_is_wrong_use(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(UsageError, match="FRAZIL_LOG_DIR"):
        configure_logging(Settings(home=tmp_path, log_dir=tmp_path / "file" / "logs"))
