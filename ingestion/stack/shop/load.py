"""Filling a server with the shop, once."""

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Protocol, TextIO

from ingestion.errors import PermanentError, RetryableError, UsageError
from ingestion.progress import progress
from ingestion.stack.connect import connect_mariadb, connect_postgres
from ingestion.stack.part import Facts
from ingestion.stack.shop.files import Files, shop_files
from ingestion.stack.shop.rows import Shop
from ingestion.stack.shop.tables import ENUMS, TABLES, Dialect, Table, create_statement, key_statements

DATABASE = "shop"
_LOADING = "shop: loading"  # MariaDB's comment until the end; in PostgreSQL the database has another name until then
_LOADED = re.compile(r"shop: seed (-?\d+), scale (\S+)")
_BLOCK = 1 << 20
_LOCK_SECONDS = 3_600

OnRows = Callable[[int], None]


@dataclass(frozen=True)
class Contents:
    """What a shop was generated from."""

    seed: int
    scale: float


class _Target(Protocol):
    """A server that gets a shop."""

    def alone(self) -> AbstractContextManager[None]:
        """Wait until nobody else makes this shop; a process that was killed does while its last statement goes on."""
        ...

    def comment(self) -> str | None:
        """What is written at the database; None when there is none, or its load was cut short."""
        ...

    def load(self, files: Files, comment: str, on_rows: OnRows) -> None:
        """Make the database anew, fill it, and write `comment` last: a load cut short is known by its absence."""
        ...


def has_shop(facts: Facts) -> bool:
    """Whether this kind of server gets a shop."""
    return facts.scheme in ("postgresql", "mysql")


def ensure_shop(
    servers: Iterable[Facts],
    scale: float | None = None,
    seed: int | None = None,
    stream: TextIO | None = None,
    name: str = DATABASE,
) -> list[Facts]:
    """The shop of each server, a database called `name`, generated where it is absent or its load was cut short.

    Scale 1 and seed 1 unless said. A shop that is there is kept, whatever was written to it since. UsageError if it
    was made from another scale or seed than asked for, or if a database of that name is not ours.
    """
    wanted = Contents(1 if seed is None else seed, 1.0 if scale is None else scale)
    servers = list(servers)
    empty = []
    with ExitStack() as stack:
        for facts in servers:
            shop = facts.of(name)
            target = _target(facts, name)
            stack.enter_context(target.alone())
            found = _contents(target, shop)
            if found is None:
                empty.append((shop, target))
            elif (scale not in (None, found.scale)) or (seed not in (None, found.seed)):
                raise UsageError(
                    f"{shop.url} was made from seed {found.seed} and scale {found.scale:g}; leave out "
                    "--scale and --seed to use it, or run `frazil stack down --remove` first to make another"
                )
        if empty:
            files = stack.enter_context(_generated(Shop(wanted.seed, wanted.scale), stream))
            for shop, target in empty:
                _fill(target, shop, wanted, files, stream)
    return [facts.of(name) for facts in servers]


@contextmanager
def _generated(shop: Shop, stream: TextIO | None) -> Iterator[Files]:
    with ExitStack() as stack:
        with progress("generating shop", shop.expected_rows, stream) as meter:
            files = stack.enter_context(shop_files(shop, meter.at))
        yield files


def _contents(target: _Target, shop: Facts) -> Contents | None:
    comment = target.comment()
    if comment is None:
        return None
    found = _LOADED.fullmatch(comment)
    if found is None:
        raise UsageError(f"{shop.url} was not made by `frazil stack`; rename or drop it")
    return Contents(int(found.group(1)), float(found.group(2)))


def _fill(target: _Target, shop: Facts, contents: Contents, files: Files, stream: TextIO | None) -> None:
    comment = f"shop: seed {contents.seed}, scale {contents.scale!r}"
    with progress(f"loading {shop.scheme} {shop.database}", sum(files.rows.values()), stream) as meter:
        target.load(files, comment, meter.at)


class _PostgresTarget:
    def __init__(self, facts: Facts, name: str) -> None:
        self._facts, self._name = facts, name
        self._holder: Any = None  # has the lock, and runs what must have ended before another process may begin

    @contextmanager
    def alone(self) -> Iterator[None]:
        with connect_postgres(self._facts) as connection:
            connection.execute("select pg_advisory_lock(hashtext(%s))", (f"frazil shop {self._name}",))
            self._holder = connection
            yield

    def comment(self) -> str | None:
        query = "select coalesce(shobj_description(oid, 'pg_database'), '') from pg_database where datname = %s"
        with connect_postgres(self._facts) as connection:
            found = connection.execute(query, (self._name,)).fetchone()
        return None if found is None else str(found[0])

    def load(self, files: Files, comment: str, on_rows: OnRows) -> None:
        draft = f"{self._name}_loading"
        self._run(f"drop database if exists {draft} with (force)", f"create database {draft}")
        self._fill(self._facts.of(draft), files, on_rows)
        self._run(f"comment on database {draft} is '{comment}'", f"alter database {draft} rename to {self._name}")

    def _run(self, *statements: str) -> None:
        for statement in statements:
            self._holder.execute(statement)

    @staticmethod
    def _fill(draft: Facts, files: Files, on_rows: OnRows) -> None:
        done = 0
        with connect_postgres(draft) as connection:
            cursor: Any = connection.cursor()
            for statement in ENUMS:
                cursor.execute(statement)
            for table in TABLES:
                cursor.execute(create_statement(table, "postgresql"))
                path = files.path(table.name)
                size, sent, rows = path.stat().st_size, 0, files.rows[table.name]
                with path.open("rb") as file, cursor.copy(f"copy {table.name} from stdin") as copy:
                    while block := file.read(_BLOCK):
                        copy.write(block)
                        sent += len(block)
                        on_rows(done + rows * sent // size)
                done += rows
            for statement in _keys("postgresql"):
                cursor.execute(statement)
            for table in TABLES:
                first = table.columns[0]
                if first.kind in ("identity", "serial"):
                    last = f"(select max({first.name}) from {table.name})"
                    cursor.execute(f"select setval(pg_get_serial_sequence('{table.name}', '{first.name}'), {last})")
            cursor.execute("vacuum analyze")


class _MariaDbTarget:
    def __init__(self, facts: Facts, name: str) -> None:
        self._facts, self._name = facts, name
        self._holder: Any = None

    @contextmanager
    def alone(self) -> Iterator[None]:
        with connect_mariadb(self._facts) as connection, connection.cursor() as cursor:
            cursor.execute("select get_lock(%s, %s)", (f"frazil shop {self._name}", _LOCK_SECONDS))
            if cursor.fetchone() != (1,):
                raise RetryableError(f"{self._facts.of(self._name).url} is being made by another process; try again")
            self._holder = cursor
            yield

    def comment(self) -> str | None:
        query = "select schema_comment from information_schema.schemata where schema_name = %s"
        with connect_mariadb(self._facts) as connection, connection.cursor() as cursor:
            cursor.execute(query, (self._name,))
            found = cursor.fetchone()
        return None if found is None or found[0] == _LOADING else str(found[0])

    def load(self, files: Files, comment: str, on_rows: OnRows) -> None:
        # not `create or replace`: only `drop database` takes tables that refer to each other in any order
        self._holder.execute(f"drop database if exists {self._name}")
        self._holder.execute(f"create database {self._name} comment '{_LOADING}'")
        self._fill(files, on_rows)
        self._holder.execute(f"alter database {self._name} comment '{comment}'")

    def _fill(self, files: Files, on_rows: OnRows) -> None:
        done = 0
        with connect_mariadb(self._facts.of(self._name)) as connection, connection.cursor() as cursor:
            cursor.execute("set session unique_checks = 0, foreign_key_checks = 0")
            for table in TABLES:
                cursor.execute(create_statement(table, "mysql"))
                cursor.execute(_load_data(table, str(files.path(table.name))))
                if cursor.rowcount != files.rows[table.name]:
                    cursor.execute("show warnings limit 3")
                    raise PermanentError(f"{table.name}: the server did not take every row: {cursor.fetchall()!r}")
                cursor.execute("show count(*) warnings")
                if cursor.fetchone() != (0,):
                    cursor.execute("show warnings limit 3")
                    raise PermanentError(f"{table.name}: the server changed values: {cursor.fetchall()!r}")
                done += files.rows[table.name]
                on_rows(done)
            for statement in _keys("mysql"):
                cursor.execute(statement)
            cursor.execute(f"analyze table {', '.join(table.name for table in TABLES)}")


def _load_data(table: Table, path: str) -> str:
    """Bytes and lists of words are written as PostgreSQL reads them; here they are turned into MariaDB's form."""
    names, changes = [], []
    for column in table.columns:
        value = f"@{column.name}"
        if column.kind == "bytes":
            changes.append(f"{column.name} = unhex(substr({value}, 3))")
        elif column.kind == "words":
            inner = f"replace(substr({value}, 2, char_length({value}) - 2), ',', '\",\"')"
            changes.append(f"{column.name} = if({value} = '{{}}', '[]', concat('[\"', {inner}, '\"]'))")
        else:
            value = column.name
        names.append(value)
    text = f"load data local infile '{path}' into table {table.name} character set utf8mb4 ({', '.join(names)})"
    return f"{text} set {', '.join(changes)}" if changes else text


def _keys(dialect: Dialect) -> list[str]:
    return [statement for table in TABLES for statement in key_statements(table, dialect)]


def _target(facts: Facts, name: str) -> _Target:
    return _PostgresTarget(facts, name) if facts.scheme == "postgresql" else _MariaDbTarget(facts, name)


def shop_of(facts: Facts) -> Facts:
    """The server's shop; UsageError says how to make it when it is absent or not complete."""
    comment = _target(facts, DATABASE).comment()
    if comment is None or not _LOADED.fullmatch(comment):
        raise UsageError(f"{facts.url} has no shop; run `frazil stack up` for it, without --no-shop")
    return facts.of(DATABASE)
