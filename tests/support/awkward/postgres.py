"""Awkward values of PostgreSQL: one column each in one table, a row that holds them and a row of nulls."""

import datetime as dt
from decimal import Decimal

import psycopg

from tests.support.awkward import Case, moment

UTC = dt.UTC
TABLE = "awkward"
PREPARE = (
    "create extension if not exists hstore",
    "create extension if not exists citext",
    "create type mood as enum ('sad', 'o''k', 'happy')",
    "create type pair as (a int, b text)",
    "create domain price as numeric(10,2) check (value >= 0)",
    "create domain dear_price as price",
)
CASES = (
    Case("int2_least", "smallint", "-32768", -32768),
    Case("int4_most", "integer", "2147483647", 2147483647),
    Case("int8_least", "bigint", "'-9223372036854775808'", -9223372036854775808),
    Case("oid_most", "oid", "4294967295", 4294967295),
    Case("bool_true", "boolean", "true", True),
    Case("bool_false", "boolean", "false", False),
    Case("float4_tenth", "real", "0.1", 0.10000000149011612),
    Case("float4_nan", "real", "'NaN'", float("nan")),
    Case("float4_least", "real", "'1e-45'", 1.401298464324817e-45),
    Case("float8_third", "double precision", "1.0/3::float8", 1 / 3),
    Case("float8_minus_zero", "double precision", "'-0'", -0.0),
    Case("float8_nan", "double precision", "'NaN'", float("nan")),
    Case("float8_infinity", "double precision", "'Infinity'", float("inf")),
    Case("float8_minus_infinity", "double precision", "'-Infinity'", float("-inf")),
    Case("float8_least", "double precision", "'5e-324'", 5e-324),
    Case("float8_most", "double precision", "'1.7976931348623157e308'", 1.7976931348623157e308),
    Case("numeric_money", "numeric(10,2)", "-0.05", Decimal("-0.05")),
    Case("numeric_nan", "numeric(10,2)", "'NaN'", None, "NaN"),
    Case("numeric_full", "numeric(38,9)", "99999999999999999999999999999.999999999",
         Decimal("99999999999999999999999999999.999999999")),
    Case("numeric_38", "numeric(38)", "'-99999999999999999999999999999999999999'",
         Decimal("-99999999999999999999999999999999999999")),
    Case("numeric_wide", "numeric(60,10)", "12345678901234567890123456789012345678901234567890.0000000001",
         "12345678901234567890123456789012345678901234567890.0000000001"),
    Case("numeric_unbounded", "numeric", "1.2300", "1.2300"),
    Case("numeric_tiny", "numeric", "1e-40", "0." + "0" * 39 + "1"),
    Case("numeric_infinity", "numeric", "'Infinity'", "Infinity"),
    Case("numeric_negative_scale", "numeric(5,-2)", "1234567", "1234600"),
    Case("numeric_scale_above_precision", "numeric(2,4)", "0.0012", "0.0012"),
    Case("money_negative", "money", "'-1234.56'::numeric::money", Decimal("-1234.56")),
    Case("domain_price", "price", "19.99", Decimal("19.99")),
    Case("domain_of_domain", "dear_price", "'NaN'::numeric", None, "NaN"),
    Case("date_plain", "date", "'2024-02-29'", dt.date(2024, 2, 29)),
    Case("date_first", "date", "'0001-01-01'", dt.date(1, 1, 1)),
    Case("date_last", "date", "'9999-12-31'", dt.date(9999, 12, 31)),
    Case("date_bc", "date", "'0044-03-15 BC'", None, "0044-03-15 BC"),
    Case("date_far", "date", "'10000-01-01'", None, "10000-01-01"),
    Case("date_infinity", "date", "'infinity'", None, "infinity"),
    Case("timestamp_micro", "timestamp", "'2024-01-02 03:04:05.000006'", moment(2024, 1, 2, 3, 4, 5, 6)),
    Case("timestamp_last", "timestamp", "'9999-12-31 23:59:59.999999'", moment(9999, 12, 31, 23, 59, 59, 999999)),
    Case("timestamp_far", "timestamp", "'294276-12-31 23:59:59.999999'", None, "294276-12-31 23:59:59.999999"),
    Case("timestamp_minus_infinity", "timestamp", "'-infinity'", None, "-infinity"),
    Case("timestamp_seconds", "timestamp(0)", "'2024-01-02 03:04:05.6'", moment(2024, 1, 2, 3, 4, 6)),
    Case("timestamptz_offset", "timestamptz", "'2024-01-02 03:04:05.678+05:45'",
         dt.datetime(2024, 1, 1, 21, 19, 5, 678000, UTC)),
    Case("timestamptz_first", "timestamptz", "'0001-01-01 00:00:00+00'", dt.datetime(1, 1, 1, tzinfo=UTC)),
    Case("timestamptz_bc", "timestamptz", "'0001-12-31 23:00:00+00 BC'", None, "0001-12-31 23:00:00+00 BC"),
    Case("timestamptz_infinity", "timestamptz", "'infinity'", None, "infinity"),
    Case("time_micro", "time", "'01:02:03.000004'", "01:02:03.000004"),
    Case("time_24", "time", "'24:00:00'", "24:00:00"),
    Case("timetz_offset", "timetz", "'01:02:03+05:30'", "01:02:03+05:30"),
    Case("interval_mixed", "interval", "'1 year -2 days 03:04:05.6'", "P1Y-2DT3H4M5.6S"),
    Case("interval_huge", "interval", "'178000000 years'", "P178000000Y"),
    Case("text_empty", "text", "''", ""),
    Case("text_null_word", "text", "'NULL'", "NULL"),
    Case("text_end_word", "text", r"'\.'", r"\."),
    Case("text_lines", "text", "E'a\\nb\\r\\nc\\td'", "a\nb\r\nc\td"),
    Case("text_quotes", "text", """'say "hi", it''s \\ here'""", """say "hi", it's \\ here"""),
    Case("text_only_quote", "text", "'\"'", '"'),
    Case("text_emoji", "text", "'🧊 ﷽ é'", "🧊 ﷽ é"),
    Case("text_blanks", "text", "'  a  '", "  a  "),
    Case("text_separator", "text", "E'a\\x1fb'", "a\x1fb"),
    Case("varchar_comma", "varchar(10)", "'a,b,,'", "a,b,,"),
    Case("char_blanks", "char(5)", "'ab'", "ab   "),
    Case("one_char", '"char"', "'x'", "x"),
    Case("name_type", "name", "'pg''s'", "pg's"),
    Case("citext_case", "citext", "'MiXed'", "MiXed"),
    Case("bytea_empty", "bytea", "''", b""),
    Case("bytea_all", "bytea", "decode('00ff225c0a2c', 'hex')", b'\x00\xff"\\\n,'),
    Case("bit_three", "bit(3)", "B'101'", "101"),
    Case("varbit_long", "bit varying(70)", "B'" + "10" * 35 + "'", "10" * 35),
    Case("uuid_upper", "uuid", "'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
    Case("json_verbatim", "json", """'{"b": 1.10, "a" : [1,  2]}'""", '{"b": 1.10, "a" : [1,  2]}'),
    Case("jsonb_number", "jsonb", """'{"b": 1.10, "a": "x\\ny"}'""", '{"a": "x\\ny", "b": 1.10}'),
    Case("json_null", "json", "'null'", "null"),
    Case("int_array", "int[]", "'{1,NULL,3}'", "[1,null,3]"),
    Case("int_matrix", "int[][]", "'{{1,2},{3,4}}'", "[[1,2],[3,4]]"),
    Case("text_array", "text[]", """array['a,b', 'say "hi"', '', null]""", '["a,b","say \\"hi\\"","",null]'),
    Case("numeric_array", "numeric[]", "'{1.10,12345678901234567890.123}'", "[1.10,12345678901234567890.123]"),
    Case("empty_array", "int[]", "'{}'", "[]"),
    Case("composite_null", "pair", "row(1, null)", '{"a":1,"b":null}'),
    Case("composite_array", "pair[]", "array[row(1, 'x')::pair]", '[{"a":1,"b":"x"}]'),
    Case("enum_quote", "mood", "'o''k'", "o'k"),
    Case("hstore_pairs", "hstore", """'a=>1, b=>NULL'""", '{"a": "1", "b": null}'),
    Case("inet_host", "inet", "'192.168.0.1'", "192.168.0.1"),
    Case("inet_net", "inet", "'2001:db8::/32'", "2001:db8::/32"),
    Case("cidr_net", "cidr", "'10.0.0.0/8'", "10.0.0.0/8"),
    Case("macaddr_mixed", "macaddr", "'08:00:2B:01:02:03'", "08:00:2b:01:02:03"),
    Case("int_range", "int4range", "'[1,5]'", "[1,6)"),
    Case("tstz_range", "tstzrange", "'[2024-01-01 00:00+02,infinity)'", '["2023-12-31 22:00:00+00",infinity)'),
    Case("multirange", "int4multirange", "'{[1,3),[5,7)}'", "{[1,3),[5,7)}"),
    Case("point_exact", "point", "'(0.1,-2)'", "(0.1,-2)"),
    Case("xml_text", "xml", "'<a b=\"1\">x</a>'", '<a b="1">x</a>'),
    Case("tsvector_text", "tsvector", "'a:1 b:2'", "'a':1 'b':2"),
    Case("lsn", "pg_lsn", "'0/16B3748'", "0/16B3748"),
    Case("regclass_name", "regclass", "'pg_catalog.pg_class'", "pg_class"),
    Case("Odd \"name\", with.dots", "text", "'x'", "x"),
    Case("select", "text", "'a reserved word'", "a reserved word"),
)  # fmt: skip


def create(connection: psycopg.Connection, table: str = TABLE, cases: tuple[Case, ...] = CASES) -> None:
    """Make `table` in the schema public: `id` 1 has the values, `id` 2 nulls; PREPARE must have run."""
    columns = ", ".join(f"{_quoted(case.name)} {case.type}" for case in cases)
    values = ", ".join(f"{case.sql}" for case in cases)
    connection.execute(f"create table {table} (id int primary key, {columns})".encode())
    connection.execute(f"insert into {table} values (1, {values}), (2{', null' * len(cases)})".encode())


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
