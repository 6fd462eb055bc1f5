"""Values as Debezium 3.5 carried them from a real server, and the form that a bulk load gives them."""

import base64
import datetime as dt
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion.bulk.model import SourceTable
from ingestion.bulk.typed import typed_batch
from ingestion.cdc.envelope import PLACEHOLDER
from ingestion.cdc.form import ColumnForm
from ingestion.cdc.values.calendar import day_text, moment_text, time_text
from ingestion.cdc.values.postgres_types import TEXT, Carrier
from ingestion.cdc.values.readers import reader_for
from tests.support.awkward import same

UTC = dt.UTC
INTEGER, NUMERIC = Carrier("integer"), Carrier("numeric")
PAIR = Carrier("composite", 0, ("a", "b"), (INTEGER, TEXT))


def _read(dialect: str, column: ColumnForm, values: list[Any]) -> tuple[list[Any], list[Any], list[int]]:
    """Raw's values, the kept texts and the rows whose value was left out."""
    found = reader_for(dialect, column)(values)
    batch = typed_batch(SourceTable("s", "t", "raw.x_t", (column.column(),)), [found.array])
    kept = [None if one is None else dict(one)[column.raw] for one in batch["_raw_overflow"].to_pylist()]
    return batch[0].to_pylist(), kept, list(found.absent)


def _postgres(kind: str, carrier: Carrier = TEXT, can_overflow: bool = True) -> ColumnForm:
    return ColumnForm("c", "c", kind, "x", can_overflow, carrier=carrier)


@pytest.mark.parametrize(
    ("kind", "carrier", "value", "raw", "kept"),
    [
        ("bigint", TEXT, -9223372036854775808, -9223372036854775808, None),
        ("boolean", TEXT, True, True, None),
        ("float", TEXT, 1.4e-45, 1.401298464324817e-45, None),
        ("double", TEXT, "-Infinity", float("-inf"), None),
        ("decimal(10,2)", TEXT, "-0.05", Decimal("-0.05"), None),
        ("decimal(10,2)", TEXT, "1E+3", Decimal("1000.00"), None),
        ("decimal(10,2)", TEXT, "NAN", None, "NaN"),
        ("string", NUMERIC, "POSITIVE_INFINITY", "Infinity", None),
        ("string", Carrier("numeric", -2), "1234600.000", "1234600", None),
        ("date", TEXT, -719162, dt.date(1, 1, 1), None),
        ("date", TEXT, -735160, None, "0044-03-15 BC"),
        ("date", TEXT, 2932897, None, "10000-01-01"),
        ("date", TEXT, -2147472692, None, "infinity"),
        ("date", TEXT, -2147472691, None, "-infinity"),
        ("timestamp_ntz", TEXT, 1704164645000006, dt.datetime(2024, 1, 2, 3, 4, 5, 6), None),  # noqa: DTZ001
        ("timestamp_ntz", TEXT, -9223372036832400000, None, "-infinity"),
        ("timestamp", TEXT, "2024-01-01T21:19:05.678000Z", dt.datetime(2024, 1, 1, 21, 19, 5, 678000, UTC), None),
        ("timestamp", TEXT, "0000-12-31T23:00:00.000000Z", None, "0001-12-31 23:00:00+00 BC"),
        ("timestamp", TEXT, "infinity", None, "infinity"),
        ("string", Carrier("time"), 86400000000, "24:00:00", None),
        ("string", Carrier("timetz"), "19:32:03Z", "19:32:03+00", None),
        ("string", Carrier("interval"), "P1Y0M-2DT3H4M5.6S", "P1Y-2DT3H4M5.6S", None),
        ("string", Carrier("interval"), "P10Y0M0DT0H0M0S", "P10Y", None),
        ("string", Carrier("interval"), "P0Y0M0DT0H0M0S", "PT0S", None),
        ("string", Carrier("bits", 3), "BQ==", "101", None),
        ("string", Carrier("bits", 1), True, "1", None),
        ("string", Carrier("hstore"), '{"bb":"1","a":null}', '{"a": null, "bb": "1"}', None),
        ("string", Carrier("point"), {"x": 0.1, "y": -2.0, "wkb": "", "srid": None}, "(0.1,-2)", None),
        ("string", Carrier("printed"), "MC8xNkIzNzQ4", "0/16B3748", None),
        ("string", Carrier("drawn"), "PCgwLjEsLTAuMCksMS4wRTMwMD4=", "<(0.1,-0),1e+300>", None),
        ("string", PAIR, base64.b64encode(b'(1,"a ""b"", c")').decode(), '{"a":1,"b":"a \\"b\\", c"}', None),
        ("string", PAIR, "KDEsKQ==", '{"a":1,"b":null}', None),
        ("string", Carrier("array", parts=(PAIR,)), ["KDEseCk="], '[{"a":1,"b":"x"}]', None),
        ("string", Carrier("array", parts=(INTEGER,)), [1, None, 3], "[1,null,3]", None),
        ("string", Carrier("array", parts=(NUMERIC,)), ["1.10", "NAN"], '[1.10,"NaN"]', None),
        ("string", Carrier("array", parts=(TEXT,)), ["a,b", '"hi"', "", None], '["a,b","\\"hi\\"","",null]', None),
        ("binary", TEXT, "AP8iXAos", b'\x00\xff"\\\n,', None),
        ("string", TEXT, "a\x1fb 🧊", "a\x1fb 🧊", None),
    ],
)  # fmt: skip
def test_a_value_of_postgresql_is_what_a_copy_gives(
    kind: str, carrier: Carrier, value: Any, raw: Any, kept: str | None
) -> None:
    values, texts, absent = _read("postgres", _postgres(kind, carrier), [value, None])

    assert values[1] is None
    assert same(values[0], raw), (values[0], raw)
    assert texts == [kept, None]
    assert absent == []


@pytest.mark.parametrize(
    ("kind", "carrier", "value"),
    [
        ("string", TEXT, PLACEHOLDER),
        ("decimal(10,2)", TEXT, PLACEHOLDER),
        ("string", NUMERIC, PLACEHOLDER),
        ("binary", TEXT, base64.b64encode(PLACEHOLDER.encode()).decode()),
        ("string", Carrier("array", parts=(INTEGER,)), list(PLACEHOLDER.encode())),
        ("string", Carrier("array", parts=(TEXT,)), [PLACEHOLDER]),
        ("string", Carrier("array", parts=(INTEGER,)), [None, None]),  # an array of arrays may have been there
        ("timestamp_ntz", TEXT, -9223372036853775810),  # after the year 294247
    ],
)
def test_a_value_that_the_log_left_out_is_not_taken_for_one(kind: str, carrier: Carrier, value: Any) -> None:
    values, _, absent = _read("postgres", _postgres(kind, carrier), [None, value, None])

    assert values == [None, None, None]
    assert absent == [1]


@pytest.mark.parametrize(
    ("kind", "source_type", "value", "raw", "kept"),
    [
        ("int", "tinyint(1)", True, 1, None),
        ("decimal(20,0)", "bigint(20) unsigned", "AP//////////", Decimal("18446744073709551615"), None),
        ("int", "year(4)", 1900, 0, None),
        ("binary", "bit(1)", True, b"\x01", None),
        ("binary", "bit(12)", "BQA=", b"\x00\x05", None),
        ("string", "time", 3020399000000, "838:59:59", None),
        ("string", "time(6)", -3020398999999, "-838:59:58.999999", None),
        ("string", "decimal(60,10)", "1E+2", "100", None),
        ("timestamp", "timestamp", "1970-01-01T00:00:00Z", None, "0000-00-00 00:00:00"),
        ("timestamp", "timestamp(6)", "2024-07-02T03:04:05.000001Z", dt.datetime(2024, 7, 2, 3, 4, 5, 1, UTC), None),
        ("string", "point", {"wkb": "AQEAAAAAAAAAAADgPwAAAAAAAADA"}, "POINT(0.5 -2)", None),
        ("string", "set('a','b')", "a,b", "a,b", None),
    ],
)  # fmt: skip
def test_a_value_of_mariadb_is_what_a_copy_gives(
    kind: str, source_type: str, value: Any, raw: Any, kept: str | None
) -> None:
    column = ColumnForm("c", "c", kind, source_type, can_overflow=True)

    values, texts, _ = _read("mysql", column, [value, None])

    assert values[1] is None
    assert same(values[0], raw), (values[0], raw)
    assert texts == [kept, None]


@given(st.datetimes(dt.datetime(1, 1, 1), dt.datetime(9999, 12, 31, 23, 59, 59, 999999)))  # noqa: DTZ001
def test_days_and_times_are_printed_as_python_does(moment: dt.datetime) -> None:
    since = moment - dt.datetime(1970, 1, 1)  # noqa: DTZ001
    microseconds = since // dt.timedelta(microseconds=1)

    assert "".join(day_text(since.days)) == moment.date().isoformat()
    assert dt.datetime.fromisoformat(moment_text(microseconds)) == moment


@given(st.lists(st.one_of(st.none(), st.integers(-(2**40), 2**40)), min_size=1))
def test_any_days_beside_each_other_keep_their_rows(days: list[int | None]) -> None:
    values, kept, _ = _read("postgres", _postgres("date"), days)

    for day, value, text in zip(days, values, kept, strict=True):
        assert (day is None) == (value is None and text is None)
        if value is not None and day is not None:
            assert (value - dt.date(1970, 1, 1)).days == day


def test_a_time_of_day_has_as_many_digits_as_it_is_declared_with() -> None:
    assert time_text(3_723_000_004) == "01:02:03.000004"
    assert time_text(3_723_100_000) == "01:02:03.1"
    assert time_text(3_723_100_000, 3) == "01:02:03.100"
    assert pa.types.is_string(reader_for("mysql", ColumnForm("c", "c", "string", "time(3)"))([0]).array.type)
