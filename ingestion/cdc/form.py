"""A followed table's columns as the sink last knew them, kept in its raw table: the source may be away, or ahead."""

import msgspec
import pyarrow as pa
from pyiceberg.table import Table

from ingestion.bulk.declared import type_name, type_of
from ingestion.bulk.model import Column, Policy, SourceTable
from ingestion.cdc.values.postgres_types import TEXT, Carrier
from ingestion.errors import PermanentError

PROPERTY = "frazil.cdc.form"


class ColumnForm(msgspec.Struct, frozen=True):
    """One column; `is_retired`: the source no longer has it, but older events do."""

    name: str
    raw: str
    type: str
    source_type: str
    can_overflow: bool = False
    policy: Policy = "keep_text"
    carrier: Carrier = TEXT
    is_retired: bool = False

    def column(self) -> Column:
        """As bulk loads know it."""
        kind = type_of(self.type)
        if kind is None:
            raise PermanentError(f"column {self.name}: {self.type} is no type of raw tables")
        return Column(
            self.name, self.source_type, pa.field(self.raw, kind), can_overflow=self.can_overflow, policy=self.policy
        )


class Form(msgspec.Struct, frozen=True):
    """A table's columns, retired ones behind the others; events may have no other names but `ignored` ones."""

    schema: str
    name: str
    raw_name: str
    key: tuple[str, ...]
    columns: tuple[ColumnForm, ...]
    ignored: tuple[str, ...] = ()

    def table(self) -> SourceTable:
        """As bulk loads know it, with the retired columns."""
        columns = tuple(column.column() for column in self.columns)
        return SourceTable(self.schema, self.name, self.raw_name, columns, self.key)


def form_of(
    table: SourceTable,
    carriers: "dict[str, Carrier] | None" = None,
    before: Form | None = None,
    ignored: tuple[str, ...] = (),
) -> Form:
    """The form of a table as it is; columns of the form `before` that are gone are kept as retired."""
    found = carriers or {}
    columns = [
        ColumnForm(
            column.name,
            column.field.name,
            type_name(column.field.type),
            column.source_type,
            column.can_overflow,
            column.policy,
            found.get(column.name, TEXT),
        )
        for column in table.columns
    ]
    names, raws = {column.name for column in columns}, {column.raw for column in columns}
    old = before.columns if before else ()
    retired = [
        msgspec.structs.replace(column, is_retired=True)
        for column in old
        if column.name not in names and column.raw not in raws and column.name not in ignored
    ]
    return Form(table.schema, table.name, table.raw_name, table.key, (*columns, *retired), ignored)


def stored_form(table: Table) -> Form | None:
    """The form that a raw table keeps; None if it was never followed."""
    text = table.properties.get(PROPERTY)
    return None if text is None else msgspec.json.decode(text, type=Form)


def encoded(form: Form) -> str:
    """As the raw table keeps it."""
    return msgspec.json.encode(form).decode()
