"""What Oracle would be sent, statement by statement, and what is made of its answers."""

from typing import Any

import oracledb
import pytest

from ingestion.bulk.dialects.base import by_name
from ingestion.bulk.dialects.oracle import chunks, projection
from ingestion.bulk.dialects.oracle.connection import SESSION, connected
from ingestion.bulk.model import Chunk, Finding, SourceTable
from ingestion.bulk.sources import DatabaseSource
from ingestion.errors import RetryableError, UsageError
from tests.unit.bulk.oracle import NO_VIEW, Rows, serving
from tests.unit.bulk.test_oracle_statements import SOURCE, column, described

WHOLE = Chunk("x", "", 0, 0)
TABLES: dict[str, Rows] = {
    "from all_tables t": [("SCOTT", "ORDERS", 1000, 10**9), ("SCOTT", "NOTES", 10, 8192)],
    "from all_tab_cols": [
        ("SCOTT", "NOTES", "TEXT", "CLOB", None, None, "Y"),
        ("SCOTT", "ORDERS", "ORDER_ID", "NUMBER", 10, 0, "N"),
        ("SCOTT", "ORDERS", "PLACED", "DATE", None, None, "Y"),
    ],
    "from all_constraints": [
        ("SCOTT", "ORDERS", "P", "ORDERS_PK", "ORDER_ID", None, None, None),
    ],
    "from all_objects": [("SCOTT", "SEEN", "VIEW"), ("SCOTT", "SESSION_ROWS", "TEMPORARY TABLE")],
}
HELD: dict[str, Rows] = {
    "current_scn": [(987,)],
    "min(start_scn)": [(900,)],
    "undo_retention": [(900,)],
    "log_mode": [("ARCHIVELOG", "YES", "YES")],
}


def one_line(sql: str) -> str:
    return " ".join(sql.split())


def test_a_session_fixes_what_texts_depend_on(monkeypatch: pytest.MonkeyPatch) -> None:
    server = serving(monkeypatch, {})
    block = {"name": "erp", "dialect": "oracle", "host": "db", "database": "ORCL", "user": "scott"}
    source = DatabaseSource.model_validate({**block, "tls": {"mode": "verify_full"}})

    with connected(source):
        assert server.is_open

    assert not server.is_open
    assert server.sent == [
        "alter session set time_zone = '+00:00'",
        "alter session set nls_numeric_characters = '.,'",
        "alter session set nls_calendar = 'GREGORIAN'",
        "alter session set nls_comp = 'BINARY' nls_sort = 'BINARY'",
    ]
    assert {name: server.words[name] for name in ("host", "port", "service_name", "protocol")} == {
        "host": "db",
        "port": 1521,
        "service_name": "ORCL",
        "protocol": "tcps",
    }
    assert server.words["ssl_server_dn_match"] is True


def test_discovery_asks_for_the_tables_columns_and_keys_of_its_schemas(monkeypatch: pytest.MonkeyPatch) -> None:
    server = serving(monkeypatch, TABLES)
    source = SOURCE.model_copy(update={"schemas": ("SCOTT", "O'BRIEN")})

    found = by_name("oracle").tables(source)
    asked = [one_line(sql) for sql in server.sent[len(SESSION) :]]
    left_out = by_name("oracle").left_out(source)

    assert asked == [
        "select owner, table_name, column_name, data_type, data_precision, data_scale, nullable from all_tab_cols "
        "where owner in ('SCOTT', 'O''BRIEN') and hidden_column = 'NO' order by owner, table_name, column_id",
        "select c.owner, c.table_name, c.constraint_type, c.constraint_name, k.column_name, r.owner, r.table_name, "
        "q.column_name from all_constraints c join all_cons_columns k on k.owner = c.owner and k.constraint_name = "
        "c.constraint_name left join all_constraints r on r.owner = c.r_owner and r.constraint_name = "
        "c.r_constraint_name left join all_cons_columns q on q.owner = r.owner and q.constraint_name = "
        "r.constraint_name and q.position = k.position where c.owner in ('SCOTT', 'O''BRIEN') and c.constraint_type "
        "in ('P', 'R') order by c.owner, c.table_name, c.constraint_name, k.position",
        "select t.owner, t.table_name, nvl(t.num_rows, 0), greatest(nvl(t.blocks, 0) * 8192, nvl(t.num_rows, 0) * "
        "nvl(t.avg_row_len, 0)) from all_tables t where t.owner in ('SCOTT', 'O''BRIEN') and t.temporary = 'N' and "
        "t.nested = 'NO' and t.secondary = 'N' and nvl(t.iot_type, 'IOT') = 'IOT' and not exists ( select 1 from "
        "all_mviews m where m.owner = t.owner and m.mview_name = t.table_name) order by t.owner, t.table_name",
    ]
    assert one_line(server.sent[-1]) == (
        "select owner, object_name, object_type from all_objects where owner in ('SCOTT', 'O''BRIEN') and object_type "
        "in ('VIEW', 'MATERIALIZED VIEW') union all select owner, table_name, 'TEMPORARY TABLE' from all_tables where "
        "owner in ('SCOTT', 'O''BRIEN') and temporary = 'Y' order by 1, 2"
    )
    assert [(table.raw_name, table.key, len(table.columns)) for table in found] == [
        ("raw.erp_orders", ("ORDER_ID",), 2),
        ("raw.erp_notes", (), 1),
    ]
    assert left_out == {
        "SCOTT.SEEN": "a view: its rows are in other tables",
        "SCOTT.SESSION_ROWS": "a temporary table: its rows are those of single sessions",
    }


def test_the_position_is_taken_after_the_oldest_open_transaction_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    server = serving(monkeypatch, HELD)

    with by_name("oracle").snapshot(SOURCE, 1) as snapshot:
        position = snapshot.position

    assert server.sent[len(SESSION) :] == [
        "select min(start_scn) from v$transaction where start_scn > 0",
        "select current_scn from v$database",
    ]
    assert (position.position, position.snapshot, position.start) == ("00000000000000000987", "987", "900")


def test_a_reader_holds_the_tables_form_and_reads_chunks_as_of_the_scn(monkeypatch: pytest.MonkeyPatch) -> None:
    server = serving(monkeypatch, {**HELD, "\"ORDER_ID\", 'TM9'": [("1", "a"), ("2", None), ("3", "c")]})
    table = SourceTable("SCOTT", "ORDERS", "raw.erp_orders", (*column("ORDER_ID").columns, *column("NOTE").columns))
    source = SOURCE.model_copy(update={"batch_size": 2})

    with by_name("oracle").snapshot(source, 1) as snapshot, snapshot.reader() as reader:
        begun = len(server.sent)
        reader.hold(table)
        batches = list(reader.read(table, Chunk("x", "rowid < chartorowid('B')", 1, 1)))

    assert server.sent[begun:] == [
        'select 1 from "SCOTT"."ORDERS" as of scn 987 where rownum = 1',
        r"""select regexp_replace(to_char("ORDER_ID", 'TM9'), '^(-?)\.', '\10.'), "NOTE" """
        'from "SCOTT"."ORDERS" as of scn 987 where rowid < chartorowid(\'B\')',
    ]
    assert [batch.num_rows for batch in batches] == [2, 1]
    assert [row["note"] for batch in batches for row in batch.to_pylist()] == ["a", None, "c"]
    assert [int(row["order_id"]) for batch in batches for row in batch.to_pylist()] == [1, 2, 3]


@pytest.mark.parametrize(
    ("text", "kind", "words"),
    [
        ("ORA-01466: unable to read data - table definition has changed", RetryableError, "was altered"),
        ("ORA-01555: snapshot too old", RetryableError, "raise undo_retention"),
        ("ORA-00942: table or view does not exist", UsageError, "grant select and flashback on it to scott"),
    ],
)
def test_a_table_that_cannot_be_held_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, text: str, kind: type[Exception], words: str
) -> None:
    serving(monkeypatch, {**HELD, "rownum = 1": oracledb.DatabaseError(text)})

    with (
        by_name("oracle").snapshot(SOURCE, 1) as snapshot,
        snapshot.reader() as reader,
        pytest.raises(kind, match=words),
    ):
        reader.hold(described()[0])


def test_extents_are_asked_for_and_where_they_may_not_be_seen_the_key_splits(monkeypatch: pytest.MonkeyPatch) -> None:
    dialect = by_name("oracle")
    keyed = SourceTable("SCOTT", "ORDERS", "raw.erp_orders", column("ORDER_ID").columns, ("ORDER_ID",), rows=9, bytes=9)
    first = "dbms_rowid.rowid_create(1, o.data_object_id, e.relative_fno, e.block_id, 0)"
    server = serving(monkeypatch, {**HELD, "dba_extents": [("AAA", 60), ("AAB", 60)]})
    with dialect.snapshot(SOURCE, 1) as snapshot, snapshot.reader() as reader:
        by_extents = dialect.chunks(reader, keyed, 50, by_key=False)
    asked = server.sent[-1]
    server.answers = {**HELD, "dba_extents": NO_VIEW, '"ORDER_ID" >= 4': [], "offset 5": [(4,)]}
    with dialect.snapshot(SOURCE, 1) as snapshot, snapshot.reader() as reader:
        by_key = dialect.chunks(reader, keyed, 5, by_key=False)

    assert asked == (
        f"select rowidtochar({first}), e.bytes from dba_extents e join dba_objects o on o.owner = e.owner and "
        "o.object_name = e.segment_name and nvl(o.subobject_name, '-') = nvl(e.partition_name, '-') where e.owner = "
        f"'SCOTT' and e.segment_name = 'ORDERS' and o.data_object_id is not null order by {first}"
    )
    assert [one.predicate for one in by_extents] == ["rowid < chartorowid('AAB')", "rowid >= chartorowid('AAB')"]
    assert [one.predicate for one in by_key] == ['"ORDER_ID" < 4', '"ORDER_ID" >= 4']


@pytest.mark.parametrize(
    ("name", "literal"),
    [
        ("ORDER_ID", "to_char(\"ORDER_ID\", 'TM9')"),
        ("NOTE", "'''' || replace(\"NOTE\", '''', '''''') || ''''"),
        ("IMAGE", "'hextoraw(''' || rawtohex(\"IMAGE\") || ''')'"),
        (
            "PLACED",
            "'to_timestamp(''' || to_char(cast(\"PLACED\" as timestamp(9)), 'SYYYY-MM-DD HH24:MI:SS.FF9') || "
            "''', ''SYYYY-MM-DD HH24:MI:SS.FF9'')'",
        ),
        (
            "MOMENT",
            "'to_timestamp_tz(''' || to_char(cast(\"MOMENT\" as timestamp(9) with time zone), "
            "'SYYYY-MM-DD HH24:MI:SS.FF9 TZR') || ''', ''SYYYY-MM-DD HH24:MI:SS.FF9 TZR'')'",
        ),
    ],
)
def test_a_bound_is_asked_for_as_the_literal_that_predicates_hold(name: str, literal: str) -> None:
    table = SourceTable("SCOTT", "ORDERS", "raw.erp_orders", column(name).columns, key=(name,))

    assert chunks.next_bound(table, None, 5) == (
        f'select {literal} from "SCOTT"."ORDERS" /*as of*/ order by "{name}" offset 5 rows fetch next 1 rows only'
    )


def guarded(policy: str, name: str = "ANY_NUMBER") -> SourceTable:
    return column(name, out_of_range=policy, number_without_precision="decimal(30,6)")


FITS = '(abs("ANY_NUMBER") < 1e24 and round("ANY_NUMBER", 6) = "ANY_NUMBER")'
TEXT = r"""regexp_replace(to_char("ANY_NUMBER", 'TM9'), '^(-?)\.', '\10.')"""
PAIR = f"key 'any_number' value case when not {FITS} then {TEXT} end"
KEPT = f"case when not {FITS} then json_object({PAIR} absent on null) end"
NULL, NONE = f'case when {FITS} then "ANY_NUMBER" end', "cast(null as varchar2(1))"
ERROR = 'case when 1 / 0 > 0 then "ANY_NUMBER" end'
STOP = f'case when {FITS} then "ANY_NUMBER" when "ANY_NUMBER" is not null then {ERROR} end'


@pytest.mark.parametrize(
    ("policy", "value", "overflow", "changed"),
    [
        ("keep_text", NULL, KEPT, ""),
        ("null", NULL, NONE, f'case when not ({FITS}) then 1 end as "m0", '),
        ("clamp", NULL, KEPT, f'case when not ({FITS}) then 1 end as "m0", '),
        ("fail", STOP, NONE, ""),
    ],
)
def test_numbers_out_of_range_meet_their_policy_in_sql(policy: str, value: str, overflow: str, changed: str) -> None:
    table = guarded(policy)

    plain, by_spark = projection.select(table, WHOLE), by_name("oracle").spark_select(table, WHOLE)

    read = 'from "SCOTT"."ORDERS" /*as of*/'
    assert plain == f'select {value} as "any_number", {overflow} as "_raw_overflow" {read}'
    assert by_spark == f'select {value} as "c0", {changed}{overflow} as "overflow" {read}'


@pytest.mark.parametrize(
    ("policy", "text"),
    [
        ("keep_text", f"case when \"ANY_NUMBER\" is null then '-' when not {FITS} then '!' || {TEXT} else '=' || "),
        ("null", f"case when \"ANY_NUMBER\" is null then '-' when not {FITS} then '-' else '=' || "),
        ("clamp", f"case when \"ANY_NUMBER\" is null then '-' when not {FITS} then '!' || {TEXT} else '=' || "),
        ("fail", "case when \"ANY_NUMBER\" is null then '-' else '=' || "),
    ],
)
def test_the_hash_of_numbers_out_of_range_is_of_what_their_policy_leaves(policy: str, text: str) -> None:
    value = STOP if policy == "fail" else NULL
    printed = f"{text}to_char({value}, 'FM{'9' * 23}0.000000') end"

    assert by_name("oracle").row_hash(guarded(policy), "") == (
        f"select count(*), to_char(mod(nvl(sum(to_number(substr(rawtohex(standard_hash(convert({printed}, 'AL32UTF8'), "
        "'MD5')), 1, 16), 'XXXXXXXXXXXXXXXX')), 0), 18446744073709551616)) from \"SCOTT\".\"ORDERS\" /*as of*/"
    )


@pytest.mark.parametrize("name", ["PLACED", "EXACT", "MOMENT"])
def test_times_before_the_first_year_are_moved_to_it_where_the_policy_says_clamp(name: str) -> None:
    table = guarded("clamp", name)
    (one,) = table.columns
    first, raw, fits = "timestamp '0001-01-01 00:00:00'", projection.value(one), projection.fits(one)

    sql = projection.select(table, WHOLE)

    assert sql.startswith(
        f'select case when {raw} < {first} then {first} when {fits} then {raw} end as "{name.lower()}"'
    )
    assert f"case when (not {fits} and {raw} >= {first}) then json_object(key '{name.lower()}'" in sql


def test_sparks_connections_are_set_as_ours_are(monkeypatch: pytest.MonkeyPatch) -> None:
    serving(monkeypatch, HELD)

    with by_name("oracle").snapshot(SOURCE, 1) as snapshot:
        statement = snapshot.jdbc().session_statement

    settings = " ".join(f"execute immediate '{one.replace(chr(39), chr(39) * 2)}';" for one in SESSION)
    assert statement == f"begin {settings} dbms_flashback.enable_at_system_change_number(987); end;"
    assert "execute immediate 'alter session set time_zone = ''+00:00''';" in statement


def checked(monkeypatch: pytest.MonkeyPatch, answers: dict[str, Any], **more: Any) -> dict[str, Finding]:
    serving(
        monkeypatch, {**answers, **{words: rows for words, rows in {**TABLES, **HELD}.items() if words not in answers}}
    )
    found = list(by_name("oracle").check(SOURCE.model_copy(update={"modes": ("bulk", "cdc"), **more})))
    assert [one for one in found if bool(one.fix) != (one.level != "pass")] == []
    return {f"{one.check} {one.message}": one for one in found if one.level != "pass"}


def test_a_good_server_has_nothing_to_mend_but_tables_without_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    assert list(checked(monkeypatch, {})) == ["keys no primary key: SCOTT.NOTES"]


def test_check_asks_for_position_undo_and_log(monkeypatch: pytest.MonkeyPatch) -> None:
    server = serving(monkeypatch, {**TABLES, **HELD})

    list(by_name("oracle").check(SOURCE.model_copy(update={"modes": ("bulk", "cdc")})))

    assert [sql for sql in server.sent if "v$" in sql] == [
        "select current_scn from v$database",
        "select min(start_scn) from v$transaction where start_scn > 0",
        "select value from v$parameter where name = 'undo_retention'",
        "select value from v$parameter where name = 'undo_retention'",
        "select log_mode, supplemental_log_data_min, supplemental_log_data_all from v$database",
    ]


@pytest.mark.parametrize(
    ("words", "answer", "problem", "level", "fix"),
    [
        (
            "current_scn",
            NO_VIEW,
            "privileges v$database cannot be read",
            "fail",
            "grant select on v_$database to scott",
        ),
        (
            "min(start_scn)",
            NO_VIEW,
            "privileges v$transaction cannot be read",
            "fail",
            "grant select on v_$transaction to scott",
        ),
        (
            "undo_retention",
            oracledb.DatabaseError("ORA-01031: insufficient privileges"),
            "privileges v$parameter cannot be read",
            "fail",
            "grant select on v_$parameter to scott",
        ),
        (
            "undo_retention",
            [("30",)],
            "undo kept for 30 s, and the load may take 50 s (ORA-01555)",
            "fail",
            "alter system set undo_retention = 100, with undo that is large enough and guaranteed",
        ),
        (
            "log_mode",
            [("NOARCHIVELOG", "YES", "YES")],
            "archive log the database is in NOARCHIVELOG",
            "fail",
            "alter database archivelog, with the database mounted",
        ),
        (
            "log_mode",
            [("ARCHIVELOG", "NO", "NO")],
            "supplemental logging is off",
            "fail",
            "alter database add supplemental log data",
        ),
        (
            "log_mode",
            [("ARCHIVELOG", "YES", "NO")],
            "supplemental logging is minimal: changes lack the columns that did not change",
            "warn",
            "alter table ... add supplemental log data (all) columns, for each table",
        ),
    ],
)
def test_check_says_what_a_server_lacks_and_how_to_mend_it(
    monkeypatch: pytest.MonkeyPatch, words: str, answer: Any, problem: str, level: str, fix: str
) -> None:
    found = checked(monkeypatch, {words: answer})

    assert (found[problem].level, found[problem].fix) == (level, fix)
    assert set(found) == {problem, "keys no primary key: SCOTT.NOTES"}


def test_check_names_columns_that_are_not_read_and_schemas_without_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    columns = [*TABLES["from all_tab_cols"], ("SCOTT", "ORDERS", "OLD", "LONG", None, None, "Y")]

    found = checked(monkeypatch, {"from all_tab_cols": columns}, modes=("bulk",))
    empty = checked(monkeypatch, {"from all_tables t": []}, modes=("bulk",))

    problem = "columns SCOTT.ORDERS.OLD is not read: LONG cannot be read in parts; long_columns is exclude"
    assert "long_columns" in found[problem].fix
    assert [(one.level, one.message) for one in empty.values()] == [("fail", "nothing to read in SCOTT")]
