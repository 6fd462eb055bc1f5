"""The type contract for MySQL and MariaDB: which raw type holds a column, and the SQL that gives it."""

from dataclasses import dataclass

import pyarrow as pa

_INTEGERS = {"tinyint", "smallint", "mediumint", "int", "integer"}
_TEXTS = {"char", "varchar", "tinytext", "text", "mediumtext", "longtext"}
_BINARIES = {"binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"}
_SHAPES = {
    *("geometry", "point", "linestring", "polygon"),
    *("multipoint", "multilinestring", "multipolygon", "geometrycollection", "geomcollection"),
}
# A product is printed with all digits; a float by itself with six, a double(10,2) rounded. A sum would lose -0.
_EXACT = "({} * 1e0)"


@dataclass(frozen=True)
class Declared:
    """A column's type as information_schema has it: `name` the bare type, `full` as declared."""

    name: str
    full: str
    precision: int
    scale: int


@dataclass(frozen=True)
class Chosen:
    """The raw type of a column; `expression` has `{}` for the quoted column."""

    type: pa.DataType
    expression: str = "{}"
    can_overflow: bool = False
    note: str = ""


def choose(declared: Declared) -> Chosen:
    """The raw form of a column. Every type has one: text at least."""
    name, unsigned = declared.name, "unsigned" in declared.full
    if name in _INTEGERS:
        wide = unsigned and name in ("int", "integer")
        return Chosen(pa.int64(), note="unsigned int as long") if wide else Chosen(pa.int32())
    if name == "bigint":
        return Chosen(pa.decimal128(20, 0), note="unsigned bigint as decimal(20,0)") if unsigned else Chosen(pa.int64())
    if name == "year":
        return Chosen(pa.int32(), "({} + 0)", note="year as int")
    if name == "decimal":
        if declared.precision <= 38:
            return Chosen(pa.decimal128(declared.precision, declared.scale))
        size = f"decimal({declared.precision},{declared.scale})"
        return Chosen(pa.string(), "cast({} as char)", note=f"{size} as exact text: wider than decimal(38)")
    if name in ("float", "double"):
        return Chosen(pa.float32() if name == "float" else pa.float64(), _EXACT)
    if name == "date":
        return Chosen(pa.date32(), can_overflow=True)
    if name == "datetime":
        return Chosen(pa.timestamp("us"), can_overflow=True)
    if name == "timestamp":
        return Chosen(pa.timestamp("us", tz="UTC"), can_overflow=True)
    if name == "bit":
        digits = 2 * -(-declared.precision // 8)
        return Chosen(pa.binary(), f"unhex(lpad(hex({{}}), {digits}, '0'))", note="bits as bytes, the highest first")
    if name in _BINARIES:
        return Chosen(pa.binary())
    if name in _TEXTS:
        return Chosen(pa.string())
    if name in _SHAPES:
        return Chosen(pa.string(), "st_astext({})", note="shapes as well-known text, without their reference system")
    note = {"time": "time as text", "json": "JSON text", "enum": "enum as text", "set": "set as text"}.get(name)
    return Chosen(pa.string(), "cast({} as char)", note=note or f"{name} as the server prints it")
