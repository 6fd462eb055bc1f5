"""How far a copy of a table is loaded: a mark in the raw table's own properties, moved by the commits of its chunks.

The mark is the one truth: it is in the same Iceberg commit as the rows, outlives the expiry of snapshots, and holds
the whole plan, so that a killed load goes on with what is left. `metadata.cdc_status` and `metadata.bulk_runs` are
written after it and can be made again from it.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import NamedTuple

import msgspec
from pyiceberg.table import Table

from ingestion.bulk.model import Chunk, Consistency, Position, SourceTable
from ingestion.lake.append import Marks

PREFIX = "frazil.bulk."
ABANDONED = "frazil.bulk-abandoned"  # run ids of copies that were never completed and have rows, with blanks between
_RUNS_KEPT = 10


class View(msgspec.Struct, frozen=True):
    """One snapshot of the source that chunks were read in.

    `is_exact`: nothing later was seen. Otherwise rows may be newer than the position: the change stream, read from
    there, brings the same changes again and ends in the same rows.
    """

    position: str
    snapshot: str
    start: str
    captured_at: datetime
    is_exact: bool = True

    @classmethod
    def of(cls, position: Position, *, is_exact: bool = True) -> "View":
        return cls(position.position, position.snapshot, position.start, position.captured_at, is_exact)


class Done(msgspec.Struct, frozen=True, array_like=True):
    """A committed chunk: the number of its view, its rows, the source's hash of them in that view, if taken.

    `loaded_at` (microseconds since 1970) is the `_loaded_at` of its rows and of no others of the copy; 0: none.
    `out_of_range` counts values that their raw type could not hold, whatever policy they met.
    """

    view: int
    rows: int
    hash: str | None = None
    loaded_at: int = 0
    out_of_range: int = 0


class Finished(NamedTuple):
    """A chunk that was read and is about to be committed; see `Done`."""

    rows: int
    hash: str | None
    loaded_at: int
    out_of_range: int = 0


class Planned(msgspec.Struct, frozen=True, array_like=True):
    """A chunk as planned; its place in the plan is its number."""

    id: str
    predicate: str
    rows: int
    bytes: int
    relation: str = ""

    @classmethod
    def of(cls, chunk: Chunk) -> "Planned":
        return cls(chunk.id, chunk.predicate, chunk.rows, chunk.bytes, chunk.relation)

    def chunk(self) -> Chunk:
        return Chunk(self.id, self.predicate, self.rows, self.bytes, self.relation)


class Mark(msgspec.Struct, frozen=True):
    """One copy of one table. It is complete when every planned chunk is done, and then has `completed_at`.

    `columns` stands for the source's columns as they were; a plan `by_key` means the same rows in another snapshot.
    """

    source: str
    source_table: str
    engine: str
    started_at: datetime
    columns: str
    by_key: bool
    chunks: tuple[Planned, ...]
    views: tuple[View, ...] = ()
    done: Mapping[int, Done] = {}
    completed_at: datetime | None = None

    @property
    def rows(self) -> int:
        return sum(chunk.rows for chunk in self.done.values())

    @property
    def out_of_range(self) -> int:
        return sum(chunk.out_of_range for chunk in self.done.values())

    @property
    def consistency(self) -> Consistency:
        return "snapshot" if len(self.views) <= 1 and all(view.is_exact for view in self.views) else "per_chunk"

    @property
    def remaining(self) -> list[int]:
        """The numbers of the chunks that are not committed."""
        return [number for number in range(len(self.chunks)) if number not in self.done]

    @property
    def first_view(self) -> View | None:
        """The view whose log position is the earliest: the change stream is read from there."""
        return min(self.views, key=lambda view: view.position, default=None)

    def with_done(self, view: View, finished: "Mapping[int, Finished]") -> "Mark":
        """The mark after one more commit of chunks read in `view`, by their numbers."""
        views = self.views if view in self.views else (*self.views, view)
        place = views.index(view)
        done = {
            **self.done,
            **{number: Done(place, *one) for number, one in finished.items()},
        }
        completed = datetime.now(UTC) if len(done) == len(self.chunks) else None
        return msgspec.structs.replace(self, views=views, done=done, completed_at=completed)


def planned(source: str, table: SourceTable, engine: str, chunks: Sequence[Chunk], *, by_key: bool) -> Mark:
    """The mark of a copy that is about to begin."""
    return Mark(
        source=source,
        source_table=f"{table.schema}.{table.name}",
        engine=engine,
        started_at=datetime.now(UTC),
        columns=column_print(table),
        by_key=by_key,
        chunks=tuple(Planned.of(chunk) for chunk in chunks),
    )


def column_print(table: SourceTable) -> str:
    """A text that changes with the columns or the key: a copy is not continued across such a change."""
    columns = ", ".join(f"{column.name} {column.source_type} {column.policy}" for column in table.columns)
    return f"{columns}; key {', '.join(table.key)}"


def marks_of(table: Table) -> dict[str, Mark]:
    """Every copy that the table knows of, by run id, oldest first."""
    found = {
        name.removeprefix(PREFIX): msgspec.json.decode(text, type=Mark)
        for name, text in table.properties.items()
        if name.startswith(PREFIX)
    }
    return dict(sorted(found.items(), key=lambda item: item[1].started_at))


class Age(NamedTuple):
    """Of a source's log: its number, and where the last copy before it began ('' before the first)."""

    number: int
    left_at: str


def ages_of(marks: Mapping[str, Mark]) -> dict[str, Age]:
    """In which age of its source's log each complete copy began, by run id, in the order of completion.

    A copy that begins below the one completed before it shows that the log began anew: the server was restored or
    replaced. The rule is staging's (`placed_copies`).
    """
    found: dict[str, Age] = {}
    age, before = Age(0, ""), ""
    complete = [(run_id, mark) for run_id, mark in marks.items() if mark.completed_at]
    for run_id, mark in sorted(complete, key=lambda item: item[1].completed_at or item[1].started_at):
        position = mark.first_view.position if mark.first_view else ""
        if position < before:
            age = Age(age.number + 1, before)
        before, found[run_id] = position, age
    return found


def newest_complete(table: Table) -> tuple[str, Mark] | None:
    """The newest complete copy."""
    complete = [(run_id, mark) for run_id, mark in marks_of(table).items() if mark.completed_at]
    return max(complete, key=lambda item: item[1].completed_at or item[1].started_at, default=None)


def resumable(table: Table, wanted: SourceTable) -> tuple[str, Mark] | None:
    """The newest copy, if it is incomplete and may be gone on with in a later snapshot."""
    known = list(marks_of(table).items())
    if not known:
        return None
    run_id, mark = known[-1]
    if mark.completed_at or not mark.by_key or mark.columns != column_print(wanted):
        return None
    return run_id, mark


def moved(table: Table, run_id: str, plan: Mark, view: View, finished: Mapping[int, Finished]) -> Marks:
    """What a commit of chunks writes beside their rows; with the last chunk, marks of older copies are dropped."""
    mark = mark_in(table, run_id, plan).with_done(view, finished)
    ids = " ".join(mark.chunks[number].id for number in finished)
    notes = {"frazil.run-id": run_id, "frazil.chunks": ids, "frazil.position": view.position}
    changed = {PREFIX + run_id: msgspec.json.encode(mark).decode()}
    if mark.engine != "copy":  # another engine's files have names of columns alone
        changed["schema.name-mapping.default"] = table.schema().name_mapping.model_dump_json()
    if mark.completed_at is None:
        return Marks(changed, (), notes)
    shortened, dropped = _aged(table, run_id)
    return Marks({**shortened, **changed, **_left_behind(table, run_id)}, tuple(dropped), notes)


def abandoned(properties: Mapping[str, str]) -> list[str]:
    """The runs whose rows no one reads and no one will complete: a newer copy is complete. Maintenance deletes them."""
    return properties.get(ABANDONED, "").split()


def _left_behind(table: Table, run_id: str) -> dict[str, str]:
    """The runs that are abandoned when `run_id` is complete, those known before among them."""
    given_up = {other for other, mark in marks_of(table).items() if not mark.completed_at and mark.rows}
    found = sorted({*abandoned(table.properties), *given_up} - {run_id})
    return {ABANDONED: " ".join(found)} if found else {}


def mark_in(table: Table, run_id: str, plan: Mark) -> Mark:
    """The stored mark of a run, or `plan` if nothing of it is committed."""
    text = table.properties.get(PREFIX + run_id)
    return plan if text is None else msgspec.json.decode(text, type=Mark)


def _aged(table: Table, run_id: str) -> tuple[dict[str, str], list[str]]:
    """Older copies when `run_id` is complete: incomplete ones and the oldest go, of the others the hashes do.

    The last copy of an age of the log and the first of the next stay: they tell which rows of the log are of which.
    """
    others = {other: mark for other, mark in marks_of(table).items() if other != run_id}
    ages = ages_of(others)
    complete, last = list(ages), len(ages) - (_RUNS_KEPT - 1)
    borders = {one for pair in pairwise(complete) if ages[pair[0]] != ages[pair[1]] for one in pair}
    kept = [other for place, other in enumerate(complete) if place >= last or other in borders]
    dropped = [PREFIX + other for other in others if other not in kept]
    return dict(_shortened(others, kept)), dropped


def _shortened(marks: Mapping[str, Mark], runs: Sequence[str]) -> Iterator[tuple[str, str]]:
    """The marks of `runs` as one chunk each: what their chunks were is of no use once a newer copy is complete."""
    for run_id in runs:
        mark = marks[run_id]
        if len(mark.chunks) > 1:
            whole = Planned("all", "", mark.rows, sum(chunk.bytes for chunk in mark.chunks))
            short = msgspec.structs.replace(
                mark, chunks=(whole,), done={0: Done(0, mark.rows, out_of_range=mark.out_of_range)}
            )
            yield PREFIX + run_id, msgspec.json.encode(short).decode()
