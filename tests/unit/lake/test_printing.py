"""What is stored is shown as it is: no value is read as markup, moves the terminal, or breaks the JSON document."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from ingestion.bulk.model import Finding
from ingestion.cli import bulk_check, demo
from ingestion.cli.output import echo, print_json, print_rows
from ingestion.errors import UsageError
from ingestion.lake.quarantine import QUARANTINE
from ingestion.lake.sink import drain
from ingestion.overview import screen
from ingestion.overview.figures import Rows
from ingestion.settings import Settings
from ingestion.terminal import literal_console
from tests.support.terminal import on_a_terminal
from tests.unit.lake.deliveries import broken, files_of, journalled, order
from tests.unit.lake.test_sink_commands import frazil

FRAZIL = [sys.executable, "-c", "from ingestion.cli import main; main()"]
HOSTILE = broken(3)._replace(body=b"oops \x1b]0;title\x07 \xff")
AWKWARD = ("[/red] x", "[red]hello", ":smile: [bold]", "[link=http://example.com]here[/link]")


@pytest.mark.parametrize("value", AWKWARD)
def test_a_query_prints_brackets_as_they_are(settings: Settings, value: str) -> None:
    done = frazil("query", f"select '{value}' as \"{value}\"")

    assert done.exception is None
    assert done.stdout.count(value) == 2


def test_what_would_command_the_terminal_is_shown_instead(capsys: pytest.CaptureFixture[str]) -> None:
    value = "a\x1b[31mb\x07c\x9bd\re\u202ef"

    print_rows([{value: value}], title=value)
    print_rows([], title=value)
    echo(value)
    print_json({"value": value})

    written = capsys.readouterr().out
    assert set(written) & set("\x1b\x07\x9b\r\u202e") == set()
    assert written.count(r"a\x1b[31mb\x07c\x9bd\x0de\u202ef") == 5
    assert json.loads(written.splitlines()[-1]) == {"value": value}


def test_a_quarantined_event_is_listed_whatever_it_holds(settings: Settings) -> None:
    unreadable = order(4, id=None)._replace(headers=b'{"x-shopify-topic": "[/x]\\u001b[2J"}')
    journalled(settings, [unreadable])
    frazil("sink", "run", "--once")

    listed = frazil("quarantine", "list")

    assert listed.exception is None
    assert r"[/x]\x1b[2J" in listed.stdout
    assert "\x1b" not in listed.stdout


def test_the_bytes_of_a_quarantined_event_command_no_terminal(settings: Settings) -> None:
    journalled(settings, [HOSTILE])
    frazil("sink", "run", "--once")
    identity = json.loads(frazil("quarantine", "list", "--json").stdout)[0]["quarantine_id"]

    piped = frazil("quarantine", "show", identity)
    environment = {**os.environ, "FRAZIL_HOME": str(settings.home_dir)}
    code, seen = on_a_terminal([*FRAZIL, "quarantine", "show", identity], environment, Path.cwd())

    assert HOSTILE.body in piped.stdout_bytes, "a file gets the bytes as received"
    assert code == 0
    assert r"oops \x1b]0;title\x07 \xff" in seen
    assert "\x1b" not in seen.replace("\r\n", "\n")


def test_the_status_screen_prints_names_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    names = ("sources", "journals", "layers", "builds", "not_good", "never_built", "watermarks", "followed")
    found: dict[str, Rows] = {name: [] for name in names}
    quarantine = [{"source": "[/x]", "reason": "bad_value:[red]\x1b[2J", "open": 1}]

    screen.show({**found, "quarantine": quarantine}, datetime.now(UTC))

    written = capsys.readouterr().out
    assert "[/x]" in written
    assert r"bad_value:[red]\x1b[2J" in written


def test_findings_of_a_check_keep_their_brackets(capsys: pytest.CaptureFixture[str]) -> None:
    bulk_check._print([Finding("[/x]", "warn", r"type \[odd] of [red]", "cast it [/]")])

    written = capsys.readouterr().out
    assert "warn  [/x]" in written
    assert r"type \[odd] of [red]" in written
    assert "fix: cast it [/]" in written


def test_the_demos_tables_keep_their_brackets(capsys: pytest.CaptureFixture[str]) -> None:
    demo._table(literal_console(), "[/title]", [{"customer": "[/x]\x1b[2J", "sold": Decimal("1234.50")}])

    written = capsys.readouterr().out
    assert "[/title]" in written
    assert r"[/x]\x1b[2J" in written
    assert "1,234.50" in written


@pytest.mark.parametrize(
    ("sql", "rows"),
    [
        ("'nan'::double a, 1/0 b, -1/0 c", [{"a": "NaN", "b": "Infinity", "c": "-Infinity"}]),
        ("['nan'::float] a, {'b': 1/0} c", [{"a": ["NaN"], "c": {"b": "Infinity"}}]),
        ("time '10:00' a, date '2026-01-02' b", [{"a": "10:00:00", "b": "2026-01-02"}]),
        ("timestamp '2026-01-02 03:04:05' a, 1.50::decimal(4, 2) b", [{"a": "2026-01-02T03:04:05Z", "b": "1.50"}]),
        ("1 a, 2 a, 3 a_2, 4 b", [{"a": 1, "a_3": 2, "a_2": 3, "b": 4}]),
    ],
)
def test_every_value_of_a_query_is_valid_json(settings: Settings, sql: str, rows: Rows) -> None:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    done = frazil("query", "--json", f"select {sql}")

    assert done.exception is None
    assert json.loads(done.stdout, parse_constant=refuse) == rows


@pytest.mark.parametrize(
    "value", ["timestamp 'infinity'", "date '12000-01-01'", "'2026-01-01 00:00:00.000000001'::timestamp_ns"]
)
def test_a_time_that_cannot_be_printed_is_wrong_use(settings: Settings, value: str) -> None:
    done = frazil("query", "--json", f"select {value} as a")

    assert isinstance(done.exception, UsageError)
    assert "varchar" in str(done.exception)


def test_columns_of_one_name_are_told_apart_in_a_table_too(settings: Settings) -> None:
    done = frazil("query", "select 11 a, 22 a")

    assert "11" in done.stdout
    assert "22" in done.stdout
    assert "a_2" in done.stdout


@pytest.mark.parametrize("words", [("query", "select 1"), ("quarantine", "list")])
def test_a_disk_that_cannot_be_read_or_written_is_told_in_one_line(settings: Settings, words: tuple[str, ...]) -> None:
    journalled(settings, [broken(3)])
    drain(settings)
    for file in files_of(settings, QUARANTINE, ".parquet"):
        file.unlink()

    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*FRAZIL, *words], stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False
        )

    assert done.returncode == 75
    assert done.stderr.count("\n") == 1
    assert "run it again" in done.stderr
