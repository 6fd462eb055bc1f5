"""TPC-H's `lineitem` in PostgreSQL, with a key of one column and a time of change: 18 columns.

The rows are those of tpchgen-cli, which uv installs into a throw-away environment: it is no dependency of ours.
"""

import subprocess
from collections.abc import Collection
from pathlib import Path

import psycopg

from benchmarks.support.peers import environment

TPCHGEN = "tpchgen-cli==4.0.0"
_ROWS_OF_SCALE_1 = 6_001_215
_COLUMNS = """
    l_orderkey bigint, l_partkey integer, l_suppkey integer, l_linenumber integer, l_quantity numeric(15,2),
    l_extendedprice numeric(15,2), l_discount numeric(15,2), l_tax numeric(15,2), l_returnflag char(1),
    l_linestatus char(1), l_shipdate date, l_commitdate date, l_receiptdate date, l_shipinstruct varchar(25),
    l_shipmode varchar(10), l_comment varchar(44)"""
_NAMES = ", ".join(column.split()[0] for column in _COLUMNS.replace("numeric(15,2)", "numeric").split(","))


def table_name(rows: int) -> str:
    """Of the table with so many rows."""
    return f"lineitem_{rows}"


def fill(dsn: str, counts: Collection[int], folder: Path) -> None:
    """A table of the first rows of each of `counts`, vacuumed and analysed."""
    tpchgen = environment(folder / "tpchgen", TPCHGEN).with_name("tpchgen-cli")
    scale = max(counts) / _ROWS_OF_SCALE_1 * 1.01  # an order's lines stay together: a table ends a little off its scale
    words = [str(tpchgen), "csv", "--stdout", "--quiet", "--scale-factor", f"{scale:.4f}", "--tables", "lineitem"]
    with psycopg.connect(dsn, autocommit=True) as connection:
        run = connection.cursor().execute
        run(f"create unlogged table all_lines (line_id bigint generated always as identity, {_COLUMNS})".encode())
        copy = f"copy all_lines ({_NAMES}) from stdin (format csv, header)"
        with subprocess.Popen(words, stdout=subprocess.PIPE) as source, connection.cursor().copy(copy.encode()) as sink:
            assert source.stdout is not None
            while block := source.stdout.read(1 << 20):
                sink.write(block)
        for rows in counts:
            name = table_name(rows)
            run(f"create table {name} (line_id bigint primary key, {_COLUMNS}, updated_at timestamptz)".encode())
            changed_at = "timestamptz '2026-01-01' + line_id * interval '1 second'"
            some = f"from all_lines where line_id <= {rows} order by line_id"
            run(f"insert into {name} select line_id, {_NAMES}, {changed_at} {some}".encode())
            run(f"vacuum analyze {name}".encode())
        run(b"drop table all_lines")
