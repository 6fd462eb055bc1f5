"""The type contract for PostgreSQL: which raw type holds a column, and the SQL that gives it."""

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa

from ingestion.bulk.dialects.postgres.connection import quoted

TEXT = "({})::text"
TIME_IN_UTC = "(({}) at time zone 'UTC')::text"
_PLAIN: dict[str, tuple[pa.DataType, str]] = {
    "bool": (pa.bool_(), "{}"),
    "int2": (pa.int32(), "{}"),
    "int4": (pa.int32(), "{}"),
    "int8": (pa.int64(), "{}"),
    "oid": (pa.int64(), "({})::bigint"),
    "float4": (pa.float32(), "{}"),
    "float8": (pa.float64(), "{}"),
    "money": (pa.decimal128(19, 2), "({})::numeric(19,2)"),
    "date": (pa.date32(), "{}"),
    "timestamp": (pa.timestamp("us"), "{}"),
    "timestamptz": (pa.timestamp("us", tz="UTC"), "{}"),
    "text": (pa.string(), "{}"),
    "varchar": (pa.string(), "{}"),
    "bpchar": (pa.string(), "textin(bpcharout({}))"),  # a cast to text would cut the blanks
    "bytea": (pa.binary(), "{}"),
    "inet": (pa.string(), "textin(inet_out({}))"),  # a cast to text would add the mask
}
_OVERFLOWING = {"date", "timestamp", "timestamptz"}
_NOTES = {
    "money": "money as decimal(19,2)",
    "time": "time as ISO text",
    "timetz": "time with its offset as text",
    "interval": "interval as ISO 8601 text",
    "uuid": "uuid as text",
    "bit": "bits as text of 0 and 1",
    "varbit": "bits as text of 0 and 1",
    "json": "JSON text as stored",
    "jsonb": "JSON text",
}


@dataclass(frozen=True)
class PgType:
    """One row of pg_type; `namespace` as text, `base` and `base_modifier` of a domain."""

    oid: int
    name: str
    namespace: str
    kind: str
    category: str
    element: int
    base: int
    base_modifier: int


@dataclass(frozen=True)
class Chosen:
    """The raw type of a column; `expression` has `{}` for the quoted column."""

    type: pa.DataType
    expression: str
    can_overflow: bool = False
    note: str = ""


def choose(types: Mapping[int, PgType], oid: int, modifier: int) -> Chosen:
    """The raw form of a column of type `oid`; a domain is what it is made of. Every type has one: text at least."""
    found = types[oid]
    note = ""
    while found.kind == "d":
        note = f"domain {found.name}"
        modifier = modifier if modifier != -1 else found.base_modifier
        found = types[found.base]
    chosen = _of(found, modifier)
    return Chosen(chosen.type, chosen.expression, chosen.can_overflow, chosen.note or note)


def _of(found: PgType, modifier: int) -> Chosen:
    own = found.namespace == "pg_catalog"
    if own and found.name == "numeric":
        return _numeric(modifier)
    if own and found.name in _PLAIN:
        kind, expression = _PLAIN[found.name]
        return Chosen(kind, expression, found.name in _OVERFLOWING, _NOTES.get(found.name, ""))
    if found.category == "A" and found.element and found.name not in ("int2vector", "oidvector"):
        return Chosen(pa.string(), "to_json({})::text", note="array as JSON text")
    if found.kind == "c":
        return Chosen(pa.string(), "to_json({})::text", note="composite as JSON text")
    if found.name == "hstore":
        return Chosen(pa.string(), f"{quoted(found.namespace)}.hstore_to_json({{}})::text", note="hstore as JSON text")
    return Chosen(pa.string(), TEXT, note=_NOTES.get(found.name, f"{found.name} as the server prints it"))


def _numeric(modifier: int) -> Chosen:
    if modifier == -1:
        return Chosen(pa.string(), TEXT, note="numeric without precision as exact text")
    precision = ((modifier - 4) >> 16) & 0xFFFF
    scale = (((modifier - 4) & 0x7FF) ^ 1024) - 1024
    if precision > 38 or scale < 0 or scale > precision:
        return Chosen(pa.string(), TEXT, note=f"numeric({precision},{scale}) as exact text: wider than decimal(38)")
    return Chosen(pa.decimal128(precision, scale), "{}", can_overflow=True)  # NaN
