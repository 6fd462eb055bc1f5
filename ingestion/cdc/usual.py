"""Events of the usual kind, many at once: rows of one table as they are now, with all the columns that it has.

They are read into objects with a slot for each column, which takes two thirds of the time of dictionaries and shows at
once that no column is missing and none is strange. What is of any other kind, if only one message among many, is left
to `envelope.decoded`, which takes the same bytes one by one.
"""

from collections.abc import Callable, Sequence
from operator import attrgetter, methodcaller
from typing import Any, Literal, NamedTuple

import msgspec

from ingestion.cdc.envelope import Row
from ingestion.cdc.form import Form
from ingestion.cdc.positions import Places

_KEYED, _KEYLESS = ("c", "u", "r"), ("c", "r")  # without a key an update is two rows
_IS_OBJECT = methodcaller("startswith", b"{")
_AT_ONCE = 256  # events: their objects are read while the processor's own memory still holds them


class Events(NamedTuple):
    """Column by column: one value for each event, rows' values by the source's names."""

    ops: list[str]
    places: Places
    times: list[int]
    columns: dict[str, list[Any]]


class Usual:
    """Reads events of the table that `form` describes."""

    def __init__(self, form: Form) -> None:
        self._decoder: msgspec.json.Decoder[Any] | None = None
        self._columns: list[tuple[str, Callable[[Any], Any]]] = []
        try:
            row = _row(form)
        except ValueError:  # a name with a quote or a backslash, which msgspec does not look for
            return
        names = (*(column.name for column in form.columns), *form.ignored)
        self._columns = [(name, attrgetter(f"c{number}")) for number, name in enumerate(names)]
        self._decoder = msgspec.json.Decoder(_envelope(form, row))

    def read(self, values: Sequence[bytes]) -> Events | None:
        """All events in order; None if one of them is of another kind."""
        if self._decoder is None or not all(map(_IS_OBJECT, values)):
            return None
        events = Events([], Places([], [], []), [], {name: [] for name, _ in self._columns})
        for first in range(0, len(values), _AT_ONCE):
            if not self._add(events, values[first : first + _AT_ONCE]):
                return None
        return events

    def _add(self, events: Events, values: Sequence[bytes]) -> bool:
        """Read a few more into `events`; whether all of them are of the usual kind."""
        assert self._decoder is not None
        try:
            found = self._decoder.decode_lines(b"\n".join(values))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return False
        if len(found) != len(values):  # each gave one at least: one that has lines of its own gave more
            return False
        sources, rows = [one.source for one in found], [one.after for one in found]
        events.ops.extend([one.op for one in found])
        events.times.extend([one.ts_us for one in sources])
        events.places.lsn.extend([one.lsn for one in sources])
        events.places.xid.extend([one.txId for one in sources])
        events.places.sequence.extend([one.sequence for one in sources])
        for name, get in self._columns:
            events.columns[name].extend(map(get, rows))
        return True


def _row(form: Form) -> type[msgspec.Struct]:
    """A row: living columns must be there, retired and ignored ones may. Raises ValueError for names it cannot have."""
    columns = [*((column.name, column.is_retired) for column in form.columns), *((name, True) for name in form.ignored)]
    fields: list[Any] = [
        (f"c{number}", Any, None) if may_lack else (f"c{number}", Any) for number, (_, may_lack) in enumerate(columns)
    ]
    names = {f"c{number}": name for number, (name, _) in enumerate(columns)}
    return msgspec.defstruct("UsualRow", fields, rename=names, forbid_unknown_fields=True, gc=False, kw_only=True)


def _envelope(form: Form, row: type[msgspec.Struct]) -> type[msgspec.Struct]:
    """As `Envelope`, of this table alone, with what a place in PostgreSQL's log needs and nothing else.

    The fields are in the order in which Debezium writes them: msgspec looks for a key where it stands the fastest.
    """
    kinds: dict[str, Any] = {"ts_ms": int, "sequence": str, "ts_us": int}
    kinds |= {"schema": Literal[form.schema], "table": Literal[form.name], "txId": int, "lsn": int}
    source = _struct("UsualSource", kinds, ts_ms=0)
    ops = Literal[_KEYED] if form.key else Literal[_KEYLESS]
    return _struct("UsualEnvelope", {"before": Row | None, "after": row, "source": source, "op": ops}, before=None)


def _struct(name: str, kinds: dict[str, Any], **defaults: Any) -> type[msgspec.Struct]:
    fields: list[Any] = [(key, kind, defaults[key]) if key in defaults else (key, kind) for key, kind in kinds.items()]
    return msgspec.defstruct(name, fields, gc=False, kw_only=True)
