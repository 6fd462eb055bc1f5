"""Wrong words, wrong servers, a lake that cannot be written: one clear line, the exit code, nothing half visible."""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from pyiceberg.catalog import Catalog

from ingestion.bulk import copy
from ingestion.bulk.load import Load, Options
from ingestion.bulk.progress import Board
from ingestion.lake.catalog import open_catalog
from ingestion.settings import Settings
from ingestion.stack.parts import postgres
from tests.integration.bulk.lab import Lab, lab_of
from tests.support.databases import running


def frazil(*words: str) -> tuple[int, str]:
    """Exit code and standard error's lines that are not progress."""
    done = subprocess.run(
        [Path(sys.executable).with_name("frazil"), *words], capture_output=True, text=True, timeout=120
    )
    lines = [line for line in done.stderr.splitlines() if not line.startswith("{")]
    return done.returncode, "\n".join(lines)


@pytest.mark.parametrize(
    ("changed", "words", "exit_code"),
    [
        ({"host": "no-such-host.invalid"}, "host 'no-such-host.invalid' is unknown; correct `host`", 2),
        ({"port": 1}, "is the server up, and are host and port right?", 75),
        ({"database": "nowhere"}, "has no database 'nowhere'; correct `database`", 2),
        ({"user": "nobody_here"}, "refuses user 'nobody_here'; set the right user and password", 2),
        ({"password": "${WRONG_PASSWORD}"}, "set the right user and password", 2),
    ],
)
def test_a_source_that_cannot_be_read_is_said_in_one_line_with_what_to_do(
    lab: Lab, changed: dict[str, Any], words: str, exit_code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WRONG_PASSWORD", "a-wrong-secret")
    lab.orders(1)
    lab.configure(**changed)

    code, said = frazil("bulk", "load", "lab")

    assert code == exit_code, said
    assert said.startswith("frazil: ")
    assert words in said
    assert "a-wrong-secret" not in said
    assert len(said.splitlines()) == 1
    assert lab.catalog.list_tables("raw") == []


def test_a_source_without_tables_is_wrong_use(lab: Lab) -> None:
    code, said = frazil("bulk", "load", "lab")

    assert code == 2
    assert "no table to read" in said


def test_an_unknown_source_is_named_with_those_there_are(lab: Lab) -> None:
    code, said = frazil("bulk", "load", "labb")

    assert code == 2
    assert "did you mean lab?" in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--tables", "oders"], "no table oders; near names: orders"),
        (["--tables", ""], "--tables is empty"),
        (["--table-filter", "nothing_%"], "no table is like 'nothing_%'; see `frazil bulk discover lab`"),
        (["--table-filter", ""], "no table is like ''; see `frazil bulk discover lab`"),
    ],
)
def test_a_selection_of_no_table_is_wrong_use(lab: Lab, words: list[str], said: str) -> None:
    lab.orders(1)

    code, line = frazil("bulk", "load", "lab", *words)

    assert code == 2, line
    assert said in line
    assert lab.catalog.list_tables("raw") == []


def test_a_server_whose_log_cannot_be_followed_is_wrong_use_before_anything_is_read(
    tmp_path: Path, settings: Settings, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(postgres._SETTINGS, "wal_level", "replica")
    monkeypatch.setenv("FRAZIL_CONFIG_DIR", str(tmp_path / "config"))
    with running("postgres") as server, lab_of("postgres", server.facts(), settings, catalog, tmp_path) as lab:
        lab.orders(1)
        lab.configure(modes=["bulk", "cdc"])

        code, said = frazil("bulk", "load", "lab")
        found = [one for one in lab.dialect.check(lab.source) if one.level == "fail"]

    assert code == 2, said
    assert "wal_level is replica; set wal_level = logical and restart the server" in said
    assert len(said.splitlines()) == 1
    assert [one.check for one in found] == ["wal_level"]
    assert catalog.list_tables("raw") == []


def test_tables_that_may_not_be_read_fail_and_the_others_are_loaded(lab: Lab) -> None:
    lab.orders(10)
    lab.sql("create table secret (id integer primary key)")
    with reader_of(lab, "orders"):
        code, said = frazil("bulk", "load", "lab")
        alone, reason = frazil("bulk", "load", "lab", "--tables", "secret")
        found = [one for one in lab.dialect.check(lab.source) if one.check == "privileges"]

    assert code == alone == 1
    assert "secret" in said
    assert "secret" in reason
    assert "orders" not in said
    assert lab.rows("orders").num_rows == 10
    assert not lab.catalog.table_exists("raw.lab_secret") or not lab.catalog.load_table("raw.lab_secret").snapshots()
    assert [(one.level, "secret" in one.message, "grant" in one.fix) for one in found] == [("fail", True, True)]


@contextmanager
def reader_of(lab: Lab, *tables: str) -> Iterator[None]:
    """The source is read by a user who may select from `tables` alone; but insert into all, so is shown them all."""
    name, account = f"reader_{lab.facts.database}", f"reader_{lab.facts.database}"
    if lab.dialect_name == "postgres":
        lab.sql(f"create role {name} login password 'reader'")
    else:
        account = f"{name}@'%'"
        lab.sql(f"create user {account} identified by 'reader'")
    lab.sql(*(f"grant insert on {table} to {account}" for table in lab.tables()))
    lab.sql(*(f"grant select on {table} to {account}" for table in tables))
    os.environ["READER_PASSWORD"] = "reader"
    lab.configure(user=name, password="${READER_PASSWORD}")
    yield
    if lab.dialect_name == "postgres":
        lab.sql(f"drop owned by {name}", f"drop role {name}")
    else:
        lab.sql(f"drop user {account}")


def test_a_user_who_may_read_but_not_publish_is_told_what_an_owner_must_run(pg: Lab) -> None:
    pg.orders(10)
    pg.sql(
        "drop role if exists onlooker",
        "create role onlooker login password 'onlooker'",
        "grant select on orders to onlooker",
    )
    os.environ["READER_PASSWORD"] = "onlooker"
    pg.configure(user="onlooker", password="${READER_PASSWORD}", modes=["bulk", "cdc"])

    code, said = frazil("bulk", "load", "lab")
    found = [one for one in pg.dialect.check(pg.source) if one.level == "fail"]

    wanted = 'create publication "frazil_lab" for table only "public"."orders" with (publish_via_partition_root = true)'
    assert code == 2
    assert len(said.splitlines()) == 1
    assert wanted in said
    assert {one.check for one in found} == {"replication", "publication"}
    assert any(wanted in one.fix for one in found)
    assert not pg.catalog.table_exists("raw.lab_orders")
    pg.sql("drop owned by onlooker", "drop role onlooker")


def test_a_state_folder_that_cannot_be_written_is_said(
    pg: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pg.orders(10)
    blocked = tmp_path / "blocked"
    (blocked / "catalog.db").mkdir(parents=True)
    monkeypatch.setenv("FRAZIL_HOME", str(blocked))

    code, said = frazil("bulk", "load", "lab")

    assert code == 75
    assert "catalog" in said
    assert len(said.splitlines()) == 1


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 24 MiB in memory."""
    folder = tmp_path / "disk"
    folder.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(words, check=False, capture_output=True).returncode:
        pytest.skip("needs root, to mount a small disk")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)  # a failed writer may hold a file


def test_a_full_disk_fails_the_table_and_the_next_load_goes_on(
    pg: Lab, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pg.sql("create table orders (id bigint primary key, note text)")
    pg.sql("insert into orders select i, md5(i::text) || md5((-i)::text) from generate_series(1, 60000) i")
    pg.settings = Settings(home=small_disk / "home", config_dir=pg.settings.config_dir)
    pg.catalog = open_catalog(pg.settings)
    pg.configure(max_retries=1, chunk_bytes=1 << 20)
    ballast = small_disk / "ballast"

    class Filling(Board):
        def advance(self, table: str, rows: int) -> None:
            super().advance(table, rows)
            if not ballast.exists() and self._tables[table].rows > 30000:
                fill(ballast, leave=150_000)

    failed = loaded_with(pg, Filling())
    ballast.unlink()
    pg.configure(max_retries=1, chunk_bytes=1 << 20)
    done = pg.load()["orders"]

    assert failed.status == "failed"
    assert "space" in (failed.error or "") or "full" in (failed.error or "")
    assert failed.chunks > 0
    assert (done.status, done.run_id, done.rows) == ("loaded", failed.run_id, 60000)
    pg.assert_equal_to_source("orders", "id", "note")
    files = {
        Path(task.file.file_path.removeprefix("file://"))
        for task in pg.catalog.load_table("raw.lab_orders").scan().plan_files()
    }
    pg.catalog.close()
    assert set((small_disk / "home" / "warehouse").rglob("raw/lab_orders/**/*.parquet")) == files


def test_a_disk_that_is_full_at_a_commit_says_to_make_room(
    pg: Lab, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pg.orders(6000)
    pg.settings = Settings(home=small_disk / "home", config_dir=pg.settings.config_dir)
    pg.catalog = open_catalog(pg.settings)
    plain, ballast = copy.commit_chunks, small_disk / "ballast"

    def commit_chunks(*words: Any, **more: Any) -> None:
        if not ballast.exists():
            fill(ballast, leave=0)
        plain(*words, **more)

    with monkeypatch.context() as patched:
        patched.setattr(copy, "commit_chunks", commit_chunks)
        failed = loaded_with(pg, Board())
    ballast.unlink()
    done = pg.load()["orders"]

    assert (failed.status, failed.attempts) == ("failed", 1)
    assert "the disk of the lake is full; make room" in (failed.error or "")
    assert (done.status, done.rows) == ("loaded", 6000)
    pg.assert_equal_to_source("orders", "id", "note")
    pg.catalog.close()


def test_a_full_disk_exits_1_and_says_to_make_room(pg: Lab, small_disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pg.sql("create table orders (id bigint primary key, note text)")
    pg.sql("insert into orders select i, md5(i::text) || md5((-i)::text) from generate_series(1, 60000) i")
    monkeypatch.setenv("FRAZIL_HOME", str(small_disk / "home"))
    open_catalog(Settings(home=small_disk / "home")).close()
    fill(small_disk / "ballast", leave=600_000)

    code, said = frazil("bulk", "load", "lab")

    assert code == 1
    assert "the disk of the lake is full; make room" in said
    assert "Traceback" not in said


def test_a_catalog_that_is_lost_in_mid_load_fails_the_table_and_the_next_load_goes_on(lab: Lab) -> None:
    lab.configure(max_retries=1)
    lab.orders(12_000)

    class Losing(Board):
        is_lost = False

        def advance(self, table: str, rows: int) -> None:
            super().advance(table, rows)
            if not self.is_lost and self._tables[table].rows > 6000:
                self.is_lost = True
                in_catalog(lab, "alter table iceberg_tables rename to lost")

    failed = loaded_with(lab, Losing())
    in_catalog(lab, "alter table lost rename to iceberg_tables")
    done = lab.load()["orders"]

    assert (failed.status, failed.attempts) == ("failed", 2)
    assert "catalog does not answer" in (failed.error or "")
    assert failed.resume == f"frazil bulk load lab --tables {failed.source_table}"
    assert (done.status, done.run_id, done.rows) == ("loaded", failed.run_id, 12_000)
    lab.assert_equal_to_source("orders", "id", "note", "amount", "qty")


def in_catalog(lab: Lab, statement: str) -> None:
    with closing(sqlite3.connect(lab.settings.home_dir / "catalog.db", timeout=30)) as connection:
        connection.execute(statement)


def fill(ballast: Path, leave: int) -> None:
    """Take what is free on the disk but `leave` bytes."""
    free = os.statvfs(ballast.parent)
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, free.f_bavail * free.f_frsize - leave)


def loaded_with(lab: Lab, board: Board) -> Any:
    with board:
        (outcome,) = Load(lab.settings, lab.source, Options(parallel_tables=1)).run(board)
    return outcome
