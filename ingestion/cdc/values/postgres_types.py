"""How PostgreSQL's types travel: which of them Debezium knows, what arrays and composites are made of."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from ingestion.bulk.dialects.postgres.connection import Connection

QUERY = """
select t.oid::int8, t.typname::text, t.typnamespace::regnamespace::text, t.typtype::text, t.typcategory::text,
       t.typelem::int8, t.typbasetype::int8, t.typtypmod,
       coalesce((select array_agg(a.attname::text order by a.attnum) from pg_attribute a
                 where a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped), '{}'),
       coalesce((select array_agg(a.atttypid::int8 order by a.attnum) from pg_attribute a
                 where a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped), '{}')
from pg_type t"""
COLUMNS = """
select n.nspname::text, c.relname::text, a.attname::text, a.atttypid::int8, a.atttypmod
from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
where n.nspname = any(%s) and c.relkind in ('r', 'p') and a.attnum > 0 and not a.attisdropped"""

_FORMS = {
    "bool": "bool",
    "int2": "integer",
    "int4": "integer",
    "int8": "integer",
    "oid": "integer",
    "float4": "float",
    "float8": "float",
    "numeric": "numeric",
    "money": "numeric",
    "json": "json",
    "jsonb": "json",
    "date": "date",
    "timestamp": "timestamp",
    "timestamptz": "timestamptz",
    "time": "time",
    "timetz": "timetz",
    "interval": "interval",
    "bit": "bits",
    "varbit": "bits",
    "point": "point",
    "line": "drawn",
    "lseg": "drawn",
    "box": "drawn",
    "path": "drawn",
    "polygon": "drawn",
    "circle": "drawn",
}
_KNOWN_TEXTS = {
    *("text", "varchar", "bpchar", "char", "name", "uuid", "xml", "inet", "cidr", "macaddr", "macaddr8", "tsvector"),
    *("int4range", "int8range", "numrange", "tsrange", "tstzrange", "daterange", "bytea"),
}
_KNOWN_EXTENSIONS = {"citext", "ltree"}


class Carrier(msgspec.Struct, frozen=True):
    """How a column's values come. `scale`: of a numeric its scale, of bits their number, 0 where it varies."""

    form: str
    scale: int = 0
    names: tuple[str, ...] = ()
    parts: "tuple[Carrier, ...]" = ()


TEXT = Carrier("text")


class Types:
    """The types of one database."""

    def __init__(self, rows: Iterable[tuple[Any, ...]]) -> None:
        self._rows = {row[0]: row for row in rows}

    def carrier(self, oid: int, modifier: int) -> Carrier:
        """Of a column of this type."""
        _, name, space, kind, category, element, base, base_modifier, names, parts = self._rows[oid]
        if kind == "d":
            return self.carrier(base, modifier if modifier != -1 else base_modifier)
        own = space == "pg_catalog"
        if own and name in _FORMS:
            return Carrier(_FORMS[name], _scale(name, modifier))
        if own and category == "A" and element and name not in ("int2vector", "oidvector"):
            return Carrier("array", parts=(self.carrier(element, -1),))
        if not own and category == "A" and element:
            return Carrier("array", parts=(self.carrier(element, -1),))
        if kind == "c":
            return Carrier("composite", 0, tuple(names), tuple(self.carrier(part, -1) for part in parts))
        if name == "hstore":
            return Carrier("hstore")
        known = kind == "e" or (own and name in _KNOWN_TEXTS) or name in _KNOWN_EXTENSIONS
        return TEXT if known else Carrier("printed")


def _scale(name: str, modifier: int) -> int:
    if modifier == -1:
        return 0
    if name == "numeric":
        return (((modifier - 4) & 0x7FF) ^ 1024) - 1024
    return modifier if name == "bit" else 0


def carriers(connection: Connection, schemas: list[str]) -> Mapping[tuple[str, str], Mapping[str, Carrier]]:
    """Of every column of every table, by schema and table."""
    types = Types(connection.execute(QUERY))
    found: dict[tuple[str, str], dict[str, Carrier]] = {}
    for schema, table, column, oid, modifier in connection.execute(COLUMNS, (schemas,)):
        found.setdefault((schema, table), {})[column] = types.carrier(oid, modifier)
    return found
