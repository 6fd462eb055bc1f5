"""Awkward values of MariaDB: one column each in one table, a row that holds them and a row of nulls."""

import datetime as dt
from decimal import Decimal
from typing import Any

from tests.support.awkward import Case, moment

UTC = dt.UTC
TABLE = "awkward"
CASES = (
    Case("tiny_least", "tinyint", "-128", -128),
    Case("tiny_bool", "tinyint(1)", "7", 7),
    Case("tiny_unsigned", "tinyint unsigned", "255", 255),
    Case("small_least", "smallint", "-32768", -32768),
    Case("medium_most", "mediumint unsigned", "16777215", 16777215),
    Case("int_least", "int", "-2147483648", -2147483648),
    Case("int_unsigned", "int unsigned", "4294967295", 4294967295),
    Case("int_zerofill", "int(8) unsigned zerofill", "42", 42),
    Case("big_least", "bigint", "-9223372036854775808", -9223372036854775808),
    Case("big_unsigned", "bigint unsigned", "18446744073709551615", Decimal("18446744073709551615")),
    Case("year_plain", "year", "2024", 2024),
    Case("year_zero", "year", "0", 0),
    Case("float_tenth", "float", "0.1", 0.10000000149011612),
    Case("float_digits", "float", "16777217.5", 16777218.0),
    Case("float_shown", "float(7,2)", "123.456", 123.45999908447266),
    Case("double_third", "double", "1/3e0", 1 / 3),
    Case("double_shown", "double(10,2)", "0.126e0", 0.13),
    Case("double_minus_zero", "double", "-0e0", -0.0),
    Case("double_least", "double", "2.2250738585072014e-308", 2.2250738585072014e-308),
    Case("double_most", "double", "1.7976931348623157e308", 1.7976931348623157e308),
    Case("double_tiny_step", "double", "0.1e0+0.2e0", 0.1 + 0.2),
    Case("decimal_money", "decimal(10,2)", "-0.05", Decimal("-0.05")),
    Case("decimal_zero", "decimal(10,2)", "0", Decimal("0.00")),
    Case("decimal_full", "decimal(38,9)", "99999999999999999999999999999.999999999",
         Decimal("99999999999999999999999999999.999999999")),
    Case("decimal_38", "decimal(38,0)", "-99999999999999999999999999999999999999",
         Decimal("-99999999999999999999999999999999999999")),
    Case("decimal_wide", "decimal(60,10)", "12345678901234567890123456789012345678901234567890.0000000001",
         "12345678901234567890123456789012345678901234567890.0000000001"),
    Case("decimal_all_fraction", "decimal(30,30)", "0.000000000000000000000000000001",
         Decimal("0.000000000000000000000000000001")),
    Case("bit_one", "bit(1)", "b'1'", b"\x01"),
    Case("bit_twelve", "bit(12)", "b'101'", b"\x00\x05"),
    Case("bit_all", "bit(64)", "b'" + "1" * 64 + "'", b"\xff" * 8),
    Case("date_plain", "date", "'2024-02-29'", dt.date(2024, 2, 29)),
    Case("date_first", "date", "'0001-01-01'", dt.date(1, 1, 1)),
    Case("date_last", "date", "'9999-12-31'", dt.date(9999, 12, 31)),
    Case("date_zero", "date", "'0000-00-00'", None, "0000-00-00"),
    Case("date_no_day", "date", "'2024-05-00'", None, "2024-05-00"),
    Case("date_year_zero", "date", "'0000-05-06'", None, "0000-05-06"),
    Case("date_february_31", "date", "'2024-02-31'", None, "2024-02-31"),
    Case("datetime_whole", "datetime", "'2024-01-02 03:04:05'", moment(2024, 1, 2, 3, 4, 5)),
    Case("datetime_micro", "datetime(6)", "'2024-01-02 03:04:05.000006'", moment(2024, 1, 2, 3, 4, 5, 6)),
    Case("datetime_milli", "datetime(3)", "'2024-01-02 03:04:05.120'", moment(2024, 1, 2, 3, 4, 5, 120000)),
    Case("datetime_last", "datetime(6)", "'9999-12-31 23:59:59.999999'",
         moment(9999, 12, 31, 23, 59, 59, 999999)),
    Case("datetime_zero", "datetime", "'0000-00-00 00:00:00'", None, "0000-00-00 00:00:00"),
    Case("datetime_no_month", "datetime(6)", "'2024-00-10 01:02:03'", None, "2024-00-10 01:02:03.000000"),
    Case("timestamp_plain", "timestamp null", "'2024-01-02 03:04:05'", dt.datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)),
    Case("timestamp_micro", "timestamp(6) null", "'2024-07-02 03:04:05.678901'",
         dt.datetime(2024, 7, 2, 3, 4, 5, 678901, UTC)),
    Case("timestamp_zero", "timestamp null", "0", None, "0000-00-00 00:00:00"),
    Case("time_plain", "time", "'01:02:03'", "01:02:03"),
    Case("time_beyond_day", "time", "'838:59:59'", "838:59:59"),
    Case("time_negative", "time(6)", "'-838:59:58.999999'", "-838:59:58.999999"),
    Case("text_empty", "text", "''", ""),
    Case("text_null_word", "text", "'NULL'", "NULL"),
    Case("text_lines", "text", "concat('a', char(10), 'b', char(13), char(10), 'c', char(9), 'd')", "a\nb\r\nc\td"),
    Case("text_quotes", "text", """'say "hi", it''s \\ here'""", """say "hi", it's \\ here"""),
    Case("text_zero", "text", "concat('a', char(0), 'b')", "a\0b"),
    Case("text_tiny", "tinytext", "'🧊'", "🧊"),
    Case("text_medium", "mediumtext", "repeat('🧊', 16400)", "🧊" * 16400),
    Case("text_emoji", "longtext", "'🧊 ﷽ é'", "🧊 ﷽ é"),
    Case("text_blanks", "varchar(20)", "'  a  '", "  a  "),
    Case("text_separator", "varchar(20)", "concat('a', char(31), 'b')", "a\x1fb"),
    Case("text_latin", "varchar(20) character set latin1", "'Käse €'", "Käse €"),
    Case("text_utf16", "varchar(20) character set utf16", "'🧊'", "🧊"),
    Case("char_blanks", "char(5)", "'ab'", "ab"),
    Case("bytes_empty", "blob", "''", b""),
    Case("bytes_tiny", "tinyblob", "x'00ff'", b"\x00\xff"),
    Case("bytes_medium", "mediumblob", "repeat(x'ff00', 33000)", b"\xff\x00" * 33000),
    Case("bytes_all", "longblob", "x'00ff225c0a2c27'", b"\x00\xff\"\\\n,'"),
    Case("bytes_padded", "binary(4)", "'ab'", b"ab\0\0"),
    Case("bytes_digits", "varbinary(10)", "'6162'", b"6162"),
    Case("enum_quote", "enum('sad','o''k','ha,ppy')", "'o''k'", "o'k"),
    Case("enum_latin", "enum('é','x') character set latin1", "'é'", "é"),
    Case("set_two", "set('a','b','c')", "'c,a'", "a,c"),
    Case("set_empty", "set('a','b')", "''", ""),
    Case("json_verbatim", "json", """'{"b": 1.10, "a" : [1,  2]}'""", '{"b": 1.10, "a" : [1,  2]}'),
    Case("json_null", "json", "'null'", "null"),
    Case("uuid_upper", "uuid", "'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
    Case("uuid_zero_last", "uuid", "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a00'", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a00"),
    Case("uuid_zeros_last", "uuid", "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380000'", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380000"),
    Case("uuid_zero_first", "uuid", "'00eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'", "00eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
    Case("uuid_zeros_around", "uuid", "'0000bc99-9c0b-4ef8-bb6d-6bb9bd000000'", "0000bc99-9c0b-4ef8-bb6d-6bb9bd000000"),
    Case("uuid_nil", "uuid", "'00000000-0000-0000-0000-000000000000'", "00000000-0000-0000-0000-000000000000"),
    Case("uuid_old", "uuid", "'c232ab00-9414-11ec-b3c8-9f6bdeced800'", "c232ab00-9414-11ec-b3c8-9f6bdeced800"),
    Case("inet4_host", "inet4", "'192.168.0.1'", "192.168.0.1"),
    Case("inet6_host", "inet6", "'2001:db8::1'", "2001:db8::1"),
    Case("point_plain", "point", "st_geomfromtext('POINT(0.5 -2)')", "POINT(0.5 -2)"),
    Case("line_plain", "linestring", "st_geomfromtext('LINESTRING(0 0.1,-1 2e5)')", "LINESTRING(0 0.1,-1 200000)"),
    Case("polygon_hole", "polygon",
         "st_geomfromtext('POLYGON((0 0,9 0,9 9,0 0),(2 1,3 1,3 2,2 1))')",
         "POLYGON((0 0,9 0,9 9,0 0),(2 1,3 1,3 2,2 1))"),
    Case("points_plain", "multipoint", "st_geomfromtext('MULTIPOINT(0 0,1 1)')", "MULTIPOINT(0 0,1 1)"),
    Case("lines_plain", "multilinestring",
         "st_geomfromtext('MULTILINESTRING((0 0,1 1),(2 2,3 3))')", "MULTILINESTRING((0 0,1 1),(2 2,3 3))"),
    Case("polygons_plain", "multipolygon",
         "st_geomfromtext('MULTIPOLYGON(((0 0,1 0,1 1,0 0)),((5 5,6 5,6 6,5 5)))')",
         "MULTIPOLYGON(((0 0,1 0,1 1,0 0)),((5 5,6 5,6 6,5 5)))"),
    Case("shapes_mixed", "geometrycollection",
         "st_geomfromtext('GEOMETRYCOLLECTION(POINT(1 2),LINESTRING(0 0,1 1))')",
         "GEOMETRYCOLLECTION(POINT(1 2),LINESTRING(0 0,1 1))"),
    Case("polygon_plain", "geometry", "st_geomfromtext('POLYGON((0 0,1 0,1 1,0 0))')", "POLYGON((0 0,1 0,1 1,0 0))"),
    Case("Odd `name`, with.dots", "text", "'x'", "x"),
    Case("select", "text", "'a reserved word'", "a reserved word"),
)  # fmt: skip
_MODE = "NO_BACKSLASH_ESCAPES,ALLOW_INVALID_DATES"


def create(connection: Any, table: str = TABLE, cases: tuple[Case, ...] = CASES) -> None:
    """Make `table` in the connection's database: `id` 1 has the values, `id` 2 nulls."""
    columns = ", ".join(f"{_quoted(case.name)} {case.type}" for case in cases)
    given = cases
    values = ", ".join(case.sql for case in given)
    with connection.cursor() as cursor:
        cursor.execute(f"set session sql_mode = '{_MODE}', session time_zone = '+00:00'")
        cursor.execute(f"create table {table} (id int primary key, {columns}) character set utf8mb4")
        cursor.execute(f"insert into {table} values (1, {values}), (2{', null' * len(given)})")


def _quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"
