"""Debezium's change events as JSON without schemas: the parts that raw needs, read many at a time."""

from collections.abc import Sequence
from typing import Any

import msgspec

PLACEHOLDER = "__debezium_unavailable_value"  # stands for a large value that the change did not touch
Row = dict[str, Any]


class Source(msgspec.Struct, gc=False):
    """Where a change was made. PostgreSQL gives lsn, txId and sequence; MySQL and MariaDB file, pos and row; Oracle
    scn, commit_scn and txId.

    `ts_us` and `ts_ms` are the commit's time in the source, since 1970.
    """

    table: str
    schema: str | None = None
    db: Any = None  # a text where it is asked for: where there is no schema
    ts_ms: int = 0
    ts_us: int | None = None
    lsn: int | None = None
    txId: int | str | None = None  # noqa: N815 - Debezium's name
    sequence: str | None = None
    file: str | None = None
    pos: int | None = None
    row: int | None = None
    scn: str | None = None
    commit_scn: str | None = None


class Envelope(msgspec.Struct, gc=False):
    """One change: `op` is r, c, u, d or t; `before` and `after` are rows by the source's column names."""

    op: str
    source: Source
    before: Row | None = None
    after: Row | None = None


_DECODER = msgspec.json.Decoder(Envelope)
_OPS = {"r", "c", "u", "d", "t"}


def decoded(values: Sequence[bytes]) -> "list[Envelope | msgspec.MsgspecError]":
    """The event of each value, in order, or why it is none."""
    lines = b"\n".join(values)
    if lines.count(b"\n") == len(values) - 1:
        try:
            found = _DECODER.decode_lines(lines)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            pass
        else:
            if len(found) == len(values) and {one.op for one in found} <= _OPS:
                return list(found)
    return [_one(value) for value in values]


def _one(value: bytes) -> "Envelope | msgspec.MsgspecError":
    try:
        found = _DECODER.decode(value)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        return error if isinstance(error, msgspec.MsgspecError) else msgspec.DecodeError(str(error))
    return found if found.op in _OPS else msgspec.ValidationError(f"op {found.op!r} is none of {sorted(_OPS)}")
