"""The type contract for Oracle: which raw type holds a column, and the SQL that gives it."""

import re
from dataclasses import dataclass

import pyarrow as pa

_TEXTS = {"VARCHAR2", "NVARCHAR2", "CHAR", "NCHAR", "CLOB", "NCLOB"}
_BINARIES = {"RAW", "BLOB"}
LONGS = {"LONG", "LONG RAW"}
_DECIMAL = re.compile(r"decimal\((\d+),\s*(\d+)\)")
# All digits, with the zero before the point that Oracle leaves out.
_EXACT = r"regexp_replace(to_char({}, 'TM9'), '^(-?)\.', '\10.')"


@dataclass(frozen=True)
class Declared:
    """A column's type as all_tab_columns has it."""

    name: str
    precision: int | None
    scale: int | None


@dataclass(frozen=True)
class Chosen:
    """The raw type of a column; `expression` has `{}` for the quoted column."""

    type: pa.DataType
    expression: str = "{}"
    can_overflow: bool = False
    note: str = ""


def choose(declared: Declared, number_without_precision: str) -> Chosen | None:
    """The raw form of a column; None where SQL has no text or bytes for it."""
    name = declared.name
    if name == "NUMBER" and declared.scale is not None:
        return _number(38 if declared.precision is None else declared.precision, declared.scale)
    if name in ("NUMBER", "FLOAT"):
        return _unbounded(number_without_precision)
    if name == "BINARY_FLOAT":
        return Chosen(pa.float32())
    if name == "BINARY_DOUBLE":
        return Chosen(pa.float64())
    if name == "DATE":
        return Chosen(pa.timestamp("us"), "cast({} as timestamp(0))", can_overflow=True, note="date with its time")
    if name.startswith("TIMESTAMP"):
        if "TIME ZONE" in name:
            return Chosen(pa.timestamp("us", tz="UTC"), "sys_extract_utc({})", can_overflow=True, note="moment in UTC")
        return Chosen(pa.timestamp("us"), can_overflow=True)
    if name.startswith("INTERVAL"):
        return Chosen(pa.string(), "to_char({})", note="interval as the server prints it")
    if name in _TEXTS:
        return Chosen(pa.string())
    if name in _BINARIES:
        return Chosen(pa.binary())
    if name in ("ROWID", "UROWID"):
        return Chosen(pa.string(), "to_char({})", note="rowid as text")
    if name == "JSON":
        return Chosen(pa.string(), "json_serialize({} returning clob)", note="JSON text")
    if name == "XMLTYPE":
        return Chosen(pa.string(), "xmlserialize(content {} as clob)", note="XML text")
    if name == "BOOLEAN":
        return Chosen(pa.string(), "to_char({})", note="boolean as text")
    return None


def _number(precision: int, scale: int) -> Chosen:
    if scale < 0 or scale > precision:
        return Chosen(pa.string(), _EXACT, note=f"number({precision},{scale}) as exact text")
    # number(*,0) holds 40 digits here and there; a declared precision never more than it says.
    return Chosen(pa.decimal128(precision, scale), can_overflow=precision == 38)


def _unbounded(policy: str) -> Chosen:
    if policy == "double":
        return Chosen(pa.float64(), "to_binary_double({})", note="number without precision as double: digits are lost")
    if decimal := _DECIMAL.fullmatch(policy):
        kind = pa.decimal128(int(decimal.group(1)), int(decimal.group(2)))
        return Chosen(kind, can_overflow=True, note=f"number without precision as {policy}")
    return Chosen(pa.string(), _EXACT, note="number without precision as exact text")
