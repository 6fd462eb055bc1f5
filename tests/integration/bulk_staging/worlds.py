"""Random small database tables: copies and log rows that say what they please, and what must come of them.

Nothing here is a sensible history: copies contradict the log and each other, come late, are told of late or never,
and log rows come in any order and again. What counts is decided by places alone, and `expected` says how.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from hypothesis import strategies as st

START = datetime(2026, 1, 5, 8, tzinfo=UTC)
BATCHES = 3
KEYS = (1, 2, 3, 4)
VALUES = ("brash", "pancake", "nilas", None)
LEFT_OUT = "__debezium_unavailable_value"  # the log's change did not touch the value


class Row(NamedTuple):
    """A row of raw, without the platform's stamps; `batch` is when it is appended."""

    batch: int
    key: int
    value: str | None
    op: str
    load_type: str
    position: str
    source_at: datetime
    run_id: str
    event_id: str


@dataclass(frozen=True)
class Copy:
    """One copy of the whole table. `told_in`: the batch from which on it is listed as complete; None: never."""

    number: int
    place: int
    views: int
    contents: tuple[tuple[int, str | None, int, int], ...]  # key, value, view behind the first, batch at the latest
    told_in: int | None
    began: datetime | None = None
    is_truncation: bool = False  # then its contents are empty, and its place is one in the log

    @property
    def run_id(self) -> str:
        return f"{'truncated' if self.is_truncation else 'copy'}-{self.number}"

    @property
    def first(self) -> str:
        """The place of the first view, as the list of copies has it."""
        return f"{position(self.place)}.{5:010d}" if self.is_truncation else position(self.place)

    @property
    def started_at(self) -> datetime:
        return self.began or START + timedelta(minutes=self.number)

    @property
    def completed_at(self) -> datetime:
        return self.started_at + timedelta(seconds=30)

    def rows(self) -> list[Row]:
        found = []
        for number, (key, value, view, batch) in enumerate(self.contents):
            last = BATCHES - 1 if self.told_in is None else self.told_in
            at = position(self.place + view % self.views)
            event = f"{self.run_id}:{number}"
            found.append(
                Row(min(batch, last), key, value, "r", "batch", f"{at}.{0:010d}", self.started_at, self.run_id, event)
            )
        return found


@dataclass(frozen=True)
class World:
    """One table's copies and log rows."""

    copies: tuple[Copy, ...]
    log: tuple[Row, ...]

    def rows(self, batch: int) -> list[Row]:
        """What is appended in a batch."""
        every = [row for copy in self.copies for row in copy.rows()] + list(self.log)
        return [row for row in every if row.batch == batch]


def position(place: int) -> str:
    return f"{place:08d}"


def copies(*, has_key: bool) -> st.SearchStrategy[tuple[Copy, ...]]:
    content = st.tuples(st.sampled_from(KEYS), st.sampled_from(VALUES), st.integers(0, 2), st.integers(0, BATCHES - 1))
    contents = st.lists(content, max_size=5, unique_by=(lambda found: found[0]) if has_key else None)
    told = st.one_of(st.none(), *[st.integers(0, BATCHES - 1)] * 4)
    truncated = st.sampled_from((False, False, False, True)) if has_key else st.just(False)
    one = st.tuples(st.integers(1, 6), st.integers(1, 3), contents, told, truncated)
    return st.lists(one, min_size=1, max_size=4).map(_in_order_of_places)


def _in_order_of_places(found: list[tuple[int, int, list[Any], int | None, bool]]) -> tuple[Copy, ...]:
    """Copies of a source follow each other: a later one does not begin at an earlier place."""
    places = sorted(one[0] for one in found)
    return tuple(
        Copy(number, place, 1, (), told, is_truncation=True)
        if is_truncation
        else Copy(number, place, views, tuple(contents), told)
        for number, (place, (_, views, contents, told, is_truncation)) in enumerate(zip(places, found, strict=True))
    )


def logs() -> st.SearchStrategy[tuple[Row, ...]]:
    change = st.tuples(
        st.integers(1, 8),
        st.sampled_from(KEYS),
        st.sampled_from("cuudd"),
        st.sampled_from((*VALUES, LEFT_OUT)),
        st.integers(0, BATCHES - 1),
        st.one_of(st.none(), st.integers(0, BATCHES - 1)),
    )
    return st.lists(change, max_size=10).map(_log)


def _log(found: list[tuple[int, int, str, str | None, int, int | None]]) -> tuple[Row, ...]:
    rows = []
    for number, (place, key, op, value, batch, again_in) in enumerate(found, start=1):
        at, when = f"{position(place)}.{number:010d}", START + timedelta(hours=place, seconds=number)
        stored = None if op == "d" else value
        row = Row(batch, key, stored, op, "cdc", at, when, f"sink-{batch}", f"log:{number}")
        rows += [row] if again_in is None else [row, row._replace(batch=again_in, run_id=f"sink-{again_in}")]
    return tuple(rows)


def worlds(*, has_key: bool) -> st.SearchStrategy[World]:
    return st.builds(World, copies(has_key=has_key), logs() if has_key else st.just(()))


def expected(world: World) -> list[tuple[int, str | None, bool, datetime | None]]:
    """Key, value, is_deleted, deleted_at of the table in the end, straight from what the rules say."""
    told = [copy for copy in world.copies if copy.told_in is not None]
    found: list[tuple[int, str | None, bool, datetime | None]] = []
    for key in KEYS:
        changes = [(place_of(copy, row), row) for copy in told for row in copy.rows() if row.key == key]
        changes += [((row.position, ""), row) for row in world.log if row.key == key and row.op != "d"]
        deletes = [((row.position, ""), row.source_at) for row in world.log if row.key == key and row.op == "d"]
        last, row = max(changes, key=lambda one: one[0], default=((("", "")), None))
        deleted = max(deletes, default=None)
        known = [change for change in changes if change[1].value != LEFT_OUT]
        value = max(known, key=lambda one: one[0])[1].value if known else None
        behind = sorted((first_place(copy), copy.started_at) for copy in told if first_place(copy) > last)
        if deleted and deleted[0] > last:
            found.append((key, value, True, deleted[1]))
        elif row and behind:
            found.append((key, value, True, behind[0][1]))
        elif row:
            found.append((key, value, False, None))
    return found


def expected_without_key(world: World) -> list[tuple[int, str | None]]:
    """The living rows of a table without a key: those of the newest copy."""
    told = [copy for copy in world.copies if copy.told_in is not None]
    newest = max(told, key=first_place, default=None)
    return [(row.key, row.value) for row in newest.rows()] if newest else []


def first_place(copy: Copy) -> tuple[str, str]:
    return copy.first if copy.is_truncation else f"{copy.first}.{0:010d}", copy.run_id


def place_of(copy: Copy, row: Row) -> tuple[str, str]:
    return row.position, copy.run_id
