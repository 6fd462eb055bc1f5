"""How far a topic's partition is in a raw table: a mark in its properties, moved by the very commit of the rows."""

from collections.abc import Iterable, Mapping
from datetime import datetime

import msgspec
from pyiceberg.table import Table

from ingestion.bulk.marks import View, marks_of
from ingestion.cdc.positions import NO_CHANGE, Last

PREFIX = "frazil.kafka."
VIEWS, PENDING = "frazil.cdc.views", "frazil.cdc.pending"


class Offset(msgspec.Struct, frozen=True, array_like=True):
    """All messages before `next` are in the table, or need not be. `topic_id` is the broker's id of the topic.

    `position` and `source_at` (microseconds since 1970) are the last change's.
    """

    next: int
    topic_id: str = ""
    last: Last = NO_CHANGE
    position: str = ""
    source_at: int = 0


class Pending(msgspec.Struct, frozen=True):
    """A copy's snapshot is about to be taken; `at` in seconds since 1970."""

    id: str
    at: float


class Copies(msgspec.Struct, frozen=True):
    """What a raw table says of its copies in the log's present age: all their views, those of the oldest complete one
    and of the newest, one about to begin."""

    views: tuple[View, ...] = ()
    base: tuple[View, ...] = ()
    newest: tuple[View, ...] = ()
    pending: Pending | None = None


NO_COPIES = Copies()


def key_of(topic: str, partition: int) -> str:
    """The property that holds a partition's mark."""
    return f"{PREFIX}{topic}/{partition}"


def stored_offset(properties: Mapping[str, str], topic: str, partition: int) -> Offset | None:
    """The mark of a partition, if any of its messages was read."""
    text = properties.get(key_of(topic, partition))
    return None if text is None else decoded_offset(text)


def decoded_offset(text: str) -> Offset:
    """A mark as a property has it."""
    return msgspec.json.decode(text, type=Offset)


def encoded_offset(offset: Offset) -> str:
    """As a property has it."""
    return msgspec.json.encode(offset).decode()


def offsets_of(properties: Mapping[str, str]) -> dict[tuple[str, int], Offset]:
    """All marks of a table, by topic and partition."""
    found = {}
    for name, text in properties.items():
        if name.startswith(PREFIX):
            topic, _, partition = name.removeprefix(PREFIX).rpartition("/")
            found[topic, int(partition)] = decoded_offset(text)
    return found


def copies_of(table: Table) -> Copies:
    """What is known of the table's copies as this object sees it."""
    marks = list(marks_of(table).values())
    announced = announced_views(table.properties)
    known = sorted((view for mark in marks for view in mark.views if view not in announced), key=_captured)
    views = dict.fromkeys(present_age([*known, *announced]))
    complete = [mark.views for mark in marks if mark.completed_at and views.keys() >= set(mark.views)]
    base, newest = (complete[0], complete[-1]) if complete else ((), ())
    pending = table.properties.get(PENDING)
    return Copies(
        tuple(view for view in views if view.snapshot),
        base,
        newest,
        None if pending is None else msgspec.json.decode(pending, type=Pending),
    )


def present_age(views: Iterable[View]) -> list[View]:
    """Of views in the order in which they were taken, those since the log last began anew: since one stood below the
    one before it. What the others say of places does not hold any more. Sources without a log have none."""
    found: list[View] = []
    for view in views:
        if found and view.position < found[-1].position:
            found = []
        if view.position:
            found.append(view)
    return found


def announced_views(properties: Mapping[str, str]) -> list[View]:
    """Views that were announced before anything was read in them."""
    text = properties.get(VIEWS)
    return [] if text is None else msgspec.json.decode(text, type=list[View])


def _captured(view: View) -> datetime:
    return view.captured_at
