"""The rows that a raw table stands for: copies and log folded to the source's state, now or as a snapshot saw it.

The rules are those of staging (`database_changes`), over raw alone: of each key the latest change; a key is gone by a
delete, or by a copy or truncation behind its latest change that does not have it; a value that the log left out is the
latest that it had. Without a key, rows are counted: what copies and changes brought less what they took away. A log
that began anew (`ages_of`) ranks, with its copies, above all that was before.
"""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime

import duckdb
import pyarrow as pa
from pyiceberg.table import Table

from ingestion.bulk.marks import Age, Mark, ages_of, marks_of
from ingestion.bulk.rows import row_position
from ingestion.cdc.envelope import PLACEHOLDER

_PLATFORM = ("_event_id", "_op", "_load_type", "_position", "_source_at", "_loaded_at", "_run_id")
_ROWS_AT_ONCE = 10_000
_MEMORY = "1GB"  # of a fold; what is above it is on disk
Unseen = str  # a condition in SQL over raw's columns


def folded(table: Table, key: Sequence[str], unseen: Unseen = "false") -> Iterator[pa.RecordBatch]:
    """The living rows of a table with a key (raw's names): its columns and `_raw_overflow`. Log rows that are `unseen`
    are left out. They come in parts: what DuckDB cannot keep in its memory it puts on disk."""
    with _placed(table, unseen) as session:
        columns = [name for name in _names(session) if name not in _PLATFORM]
        keys = ", ".join(_quoted(name) for name in key)
        lacking = _lacking(session)
        values = [_value(name, keys, name in lacking) for name in columns if name not in key]
        shown = ", ".join([keys, *(_quoted(name) for name in columns if name not in key)])
        session.execute(
            f"create temp view ranked as select {', '.join([keys, *values])}, _op, _place, "
            f"row_number() over (partition by {keys} order by _place desc, _event_id) as _rank from placed"
        )
        yield from _batches(
            session,
            f"select {shown} from ranked where _rank = 1 and _op <> 'd' and _place >= (select place from newest)",
        )


def counted(table: Table, unseen: Unseen = "false") -> Iterator[tuple[bool, pa.RecordBatch]]:
    """Of a table without a key, the rows that came (True) since its newest copy or truncation, and those that went."""
    with _placed(table, unseen) as session:
        columns = ", ".join(_quoted(name) for name in _names(session) if name not in _PLATFORM)
        since = f"select {columns} from placed where _place >= (select place from newest) and _op"
        for came, which in ((True, "<> 'd'"), (False, "= 'd'")):
            for batch in _batches(session, f"{since} {which}"):
                yield came, batch


@contextmanager
def spilling() -> Iterator[duckdb.DuckDBPyConnection]:
    """A database that has so much memory and puts the rest on disk; its usual bound is four fifths of the machine's."""
    with tempfile.TemporaryDirectory(prefix="frazil-fold-") as folder:
        config = {"memory_limit": _MEMORY, "temp_directory": folder, "preserve_insertion_order": False}
        with duckdb.connect(config=config) as session:  # type: ignore[arg-type]
            yield session


@contextmanager
def _placed(table: Table, unseen: Unseen) -> Iterator[duckdb.DuckDBPyConnection]:
    """With `placed`, all rows that count and their places, and `newest`, the place below which nothing lives."""
    with spilling() as session:
        _place(session, table, unseen)
        yield session


def _place(session: duckdb.DuckDBPyConnection, table: Table, unseen: Unseen) -> None:
    files = [task.file.file_path.removeprefix("file://") for task in table.scan().plan_files()]
    if files:
        source = f"read_parquet({files!r}, union_by_name = true)"
    else:
        session.register("nothing", table.scan().to_arrow())
        source = "nothing"
    marks = marks_of(table)
    ages = ages_of(marks)
    copies = []
    for run_id, age in ages.items():
        completed, view = marks[run_id].completed_at, marks[run_id].first_view
        if completed is not None and view is not None:
            place = f"{'~' * age.number}{row_position(view)}@{completed.isoformat()}"
            copies.append((run_id, place, "~" * age.number, completed.isoformat()))
    session.execute("create temp table copies (run_id varchar, place varchar, age varchar, completed varchar)")
    if copies:
        session.executemany("insert into copies values (?, ?, ?, ?)", copies)
    session.execute(
        f"create temp view placed as select raw.*, coalesce(copies.age, {_age_of_log(marks, ages)}) || _position || "
        f"coalesce('@' || copies.completed, '') as _place "
        f"from {source} as raw left join copies on raw._run_id = copies.run_id "
        f"where _op <> 't' and case when _load_type = 'batch' then copies.run_id is not null else not ({unseen}) end"
    )
    session.execute(
        f"create temp table newest as select coalesce(max(place), '') as place from (select place from copies "
        f"union all select {_age_of_log(marks, ages)} || _position from {source} where _op = 't' and not ({unseen}))"
    )


def _age_of_log(marks: Mapping[str, Mark], ages: Mapping[str, Age]) -> str:
    """In SQL, the age of a row of the log: the last that had begun when it was loaded, unless its source committed it
    before that, at a place that only the log before had reached."""
    begun: dict[Age, datetime] = {}
    for run_id, age in ages.items():
        begun[age] = min(begun.get(age, marks[run_id].started_at), marks[run_id].started_at)
    cases = [
        f"when _loaded_at >= timestamptz '{at.isoformat()}' and not coalesce(_source_at < timestamptz "
        f"'{at.isoformat()}' and _position >= '{age.left_at}', false) then '{'~' * age.number}'"
        for age, at in begun.items()
        if age.number
    ]
    return f"case {' '.join(reversed(cases))} else '' end" if cases else "''"


def _names(session: duckdb.DuckDBPyConnection) -> list[str]:
    found = [row[0] for row in session.execute("describe placed").fetchall()]
    return [name for name in found if name != "_place"]


def _lacking(session: duckdb.DuckDBPyConnection) -> set[str]:
    """The columns that the log left out of some row."""
    sql = (
        "select distinct entry.key from (select unnest(map_entries(_raw_overflow)) as entry from placed "
        f"where _raw_overflow is not null) where entry.value = '{PLACEHOLDER}'"
    )
    return {row[0] for row in session.execute(sql).fetchall()}


def _value(name: str, keys: str, is_lacking: bool) -> str:
    if name == "_raw_overflow":
        kept = f"list_filter(map_entries(_raw_overflow), lambda entry: entry.value <> '{PLACEHOLDER}')"
        return f"case when len({kept}) > 0 then map_from_entries({kept}) end as _raw_overflow"
    if not is_lacking:
        return _quoted(name)
    absent = f"_op = 'd' or element_at(_raw_overflow, {_literal(name)})[1] is not distinct from '{PLACEHOLDER}'"
    order = f"case when {absent} then '' else _place end desc, _event_id"
    return f"first_value({_quoted(name)}) over (partition by {keys} order by {order}) as {_quoted(name)}"


def _batches(session: duckdb.DuckDBPyConnection, sql: str) -> Iterator[pa.RecordBatch]:
    yield from session.sql(sql).to_arrow_reader(_ROWS_AT_ONCE)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
