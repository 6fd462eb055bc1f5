"""The house's names and types for whatever a database calls its columns."""

import pyarrow as pa
import pytest

from ingestion.bulk.declared import declared, type_name
from ingestion.bulk.model import Column, SourceTable
from ingestion.bulk.staged import StagedTable, singular, staged_table
from ingestion.errors import UsageError

UTC_TIME = pa.timestamp("us", tz="UTC")


def table(*columns: tuple[str, str, pa.DataType], key: tuple[str, ...] = ("id",), name: str = "floes") -> StagedTable:
    made = tuple(Column(column, source_type, pa.field(column, kind)) for column, source_type, kind in columns)
    return staged_table("shop", SourceTable("public", name, f"raw.shop_{name}", made, key))


@pytest.mark.parametrize(
    ("column", "source_type", "kind", "name", "expression"),
    [
        ("id", "bigint", pa.int64(), "floe_id", "cast(id as {{ dbt.type_string() }}) as floe_id"),
        ("userId", "integer", pa.int32(), "user_id", "cast(userid as {{ dbt.type_string() }}) as user_id"),
        ("unit_id", "text", pa.string(), "unit_id", "unit_id"),
        ("active", "boolean", pa.bool_(), "is_active", "active as is_active"),
        ("is_open", "tinyint(1)", pa.int32(), "is_open", "cast(is_open as boolean) as is_open"),
        ("open", "tinyint(1)", pa.int32(), "open", "open"),
        ("created_time", "timestamptz", UTC_TIME, "created_at", "created_time as created_at"),
        ("born", "date", pa.date32(), "born_date", "born as born_date"),
        ("deleted_at", "timestamptz", UTC_TIME, "source_deleted_at", "deleted_at as source_deleted_at"),
        ("order", "int", pa.int32(), "order_value", "{{ adapter.quote('order') }} as order_value"),
        ("größe", "int", pa.int32(), "grosse", "{{ adapter.quote('größe') }} as grosse"),
        ("2nd", "int", pa.int32(), "x_2nd", "{{ adapter.quote('2nd') }} as x_2nd"),
        ("total_amount", "numeric(18,3)", pa.decimal128(18, 3), "total_amount", "total_amount"),
    ],
)
def test_a_column_has_the_houses_name_and_type(
    column: str, source_type: str, kind: pa.DataType, name: str, expression: str
) -> None:
    key = ("id", "bigint", pa.int64())

    staged = table(*dict.fromkeys([key, (column, source_type, kind)]))

    (found,) = [one for one in staged.columns if one.column.name == column]
    assert (found.name, found.expression) == (name, expression)


def test_ids_stand_first_and_times_last_and_no_name_twice() -> None:
    staged = table(
        ("seen_at", "timestamptz", UTC_TIME),
        ("amount", "int", pa.int32()),
        ("seenAt", "timestamptz", UTC_TIME),
        ("note", "text", pa.string()),
        ("user_id", "int", pa.int32()),
        ("id", "int", pa.int32()),
    )

    assert [one.name for one in staged.columns] == ["floe_id", "user_id", "note", "amount", "seen_at", "seen_at_2"]


def test_a_key_whose_value_may_be_in_the_overflow_is_text() -> None:
    day = Column("day", "date", pa.field("day", pa.date32()), can_overflow=True)

    (found,) = staged_table("shop", SourceTable("public", "days", "raw.shop_days", (day,), ("day",))).columns

    assert found.expression == (
        "coalesce(cast(day as {{ dbt.type_string() }}), element_at(_raw_overflow, 'day')) as day_date"
    )


def test_a_column_that_staging_could_not_tell_from_its_own_is_refused() -> None:
    with pytest.raises(UsageError, match="floes: staging uses the names _rank itself"):
        table(("id", "int", pa.int32()), ("_rank", "int", pa.int32()))


@pytest.mark.parametrize(
    ("plural", "one"),
    [("orders", "order"), ("categories", "category"), ("addresses", "address"), ("boxes", "box"), ("status", "status")],
)
def test_an_entity_is_one_of_its_table(plural: str, one: str) -> None:
    assert singular(plural) == one


def test_the_declared_tables_of_the_shop_have_the_types_written() -> None:
    orders = declared()["raw.shop_orders"]

    assert orders.field("total_amount").type == pa.decimal128(18, 3)
    assert [type_name(orders.field(name).type) for name in ("order_id", "ordered_at", "ordered_local_at")] == [
        "bigint",
        "timestamp",
        "timestamp_ntz",
    ]
