"""What a load says of itself while it reads: bars on a terminal, JSON lines elsewhere."""

import io
import json
from typing import Any

import pytest

from ingestion.bulk import progress
from ingestion.bulk.progress import Board


class Clock:
    """Seconds, moved by hand."""

    now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(progress, "time", made)
    return made


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_lines_tell_rows_rate_and_the_seconds_that_are_left(clock: Clock) -> None:
    stream = io.StringIO()
    with Board(stream) as board:
        board.begin("raw.shop_orders", 1000)
        for _ in range(3):
            clock.now += 1.5
            board.advance("raw.shop_orders", 150)

    (line,) = lines(stream)
    assert line == {
        "event": "load",
        "table": "raw.shop_orders",
        "rows": 300,
        "total": 1000,
        "rows_per_second": 100,
        "seconds_left": 7.0,
    }


def test_rows_beyond_the_estimate_move_it_and_rows_that_are_read_again_are_taken_back(clock: Clock) -> None:
    stream = io.StringIO()
    with Board(stream) as board:
        board.begin("raw.shop_orders", 100)
        board.advance("raw.shop_orders", 400)
        clock.now += 2
        board.advance("raw.shop_orders", -200)
        clock.now += 2
        board.advance("raw.shop_orders", 200)
        board.end("raw.shop_orders")

    found = lines(stream)
    assert [(line["rows"], line["total"], line["seconds_left"]) for line in found] == [
        (200, 400, 2.0),
        (400, 400, 0.0),
        (400, 400, 0.0),
    ]


def test_a_table_that_was_not_begun_to_be_read_has_no_rate_and_no_end_in_sight(clock: Clock) -> None:
    stream = io.StringIO()
    with Board(stream) as board:
        board.begin("raw.shop_orders", 0)
        clock.now += 1
        board.end("raw.shop_orders")

    (line,) = lines(stream)
    assert (line["rows"], line["rows_per_second"], line["seconds_left"]) == (0, 0, None)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_shows_a_bar_per_table_with_rows_rate_and_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    stream = Terminal()
    with Board(stream) as board:
        board.begin("raw.shop_orders", 1000)
        board.begin("raw.shop_users", 10)
        board.advance("raw.shop_orders", 400)
        board._bars.refresh()  # type: ignore[union-attr]
        shown = stream.getvalue()
        board.end("raw.shop_users")
        board.end("raw.shop_orders")

    assert "raw.shop_orders" in shown
    assert "raw.shop_users" in shown
    assert "400/1000" in shown
    assert "rows/s" in shown
    assert ":" in shown.rsplit("rows/s", 1)[1]
