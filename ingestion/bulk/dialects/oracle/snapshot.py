"""The database as of one system change number, which any number of connections can see at any time."""

import queue
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from ingestion.bulk.dialects.base import Jdbc
from ingestion.bulk.dialects.oracle.connection import SESSION, connect, connected, relation, rows, told
from ingestion.bulk.dialects.oracle.projection import at, wire
from ingestion.bulk.model import Chunk, Column, Position, SourceTable
from ingestion.bulk.sources import DatabaseSource
from ingestion.bulk.typed import typed_batch

CURRENT = "select current_scn from v$database"
OLDEST_OPEN = "select min(start_scn) from v$transaction where start_scn > 0"


class OracleReader:
    """A connection whose statements are as of the snapshot's SCN; for one thread at a time."""

    def __init__(self, source: DatabaseSource, connection: Any, scn: int) -> None:
        self._source, self._connection, self._scn = source, connection, scn

    def hold(self, table: SourceTable) -> None:
        """See Reader.hold: the server refuses a position from before a table was altered (ORA-01466) by itself."""
        self.fetch(f"select 1 from {relation(table.schema, table.name)} as of scn {self._scn} where rownum = 1")

    def read(self, table: SourceTable, chunk: Chunk) -> Iterator[pa.RecordBatch]:
        """See Reader.read."""
        with told(self._source), self._connection.cursor() as cursor:
            cursor.arraysize = self._source.batch_size
            cursor.prefetchrows = self._source.batch_size
            cursor.execute(at(wire(table, chunk), self._scn))
            while fetched := cursor.fetchmany():
                values = zip(*fetched, strict=True)
                yield typed_batch(
                    table, [_array(column, one) for column, one in zip(table.columns, values, strict=True)]
                )

    def fetch(self, sql: str) -> list[tuple[Any, ...]]:
        """See Reader.fetch."""
        with told(self._source):
            return rows(self._connection, at(sql, self._scn))


def _array(column: Column, values: tuple[Any, ...]) -> pa.Array:
    kind = column.field.type
    return pa.array(values, kind if pa.types.is_floating(kind) or pa.types.is_binary(kind) else pa.string())


class OracleSnapshot:
    """Nothing is held open for it but the database's undo, which must reach back to its SCN until the end."""

    def __init__(self, source: DatabaseSource, readers: int, scn: int, start: int) -> None:
        self._source, self._scn = source, scn
        self.position = Position(f"{scn:020d}", str(scn), str(start), datetime.now(UTC))
        self._free: queue.LifoQueue[Any] = queue.LifoQueue()
        for _ in range(readers):
            self._free.put(None)

    def reader(self) -> AbstractContextManager[OracleReader]:
        """See Snapshot.reader."""
        return self._borrowed(self._free.get())

    def spare(self) -> AbstractContextManager[OracleReader | None]:
        """See Snapshot.spare."""
        try:
            return self._borrowed(self._free.get_nowait())
        except queue.Empty:
            return nullcontext()

    @contextmanager
    def _borrowed(self, connection: Any) -> Iterator[OracleReader]:
        try:
            if connection is None or not connection.is_healthy():
                connection = None
                connection = connect(self._source, again=True)
            yield OracleReader(self._source, connection, self._scn)
        finally:
            self._free.put(connection)

    def jdbc(self) -> Jdbc:
        """See Snapshot.jdbc: the whole session is set to the SCN, which needs execute on dbms_flashback."""
        source = self._source
        settings = " ".join(f"execute immediate '{one.replace(chr(39), chr(39) * 2)}';" for one in SESSION)
        properties = {
            "user": source.user,
            "password": source.password.get_secret_value(),
            "fetchsize": str(source.batch_size),
            "oracle.jdbc.timezoneAsRegion": "false",
        }
        url = f"jdbc:oracle:thin:@//{source.host}:{source.effective_port}/{source.database}"
        statement = f"begin {settings} dbms_flashback.enable_at_system_change_number({self._scn}); end;"
        return Jdbc(url, "oracle.jdbc.OracleDriver", properties, statement)

    def close(self) -> None:
        """Close the connections that are not in use."""
        while not self._free.empty():
            connection = self._free.get_nowait()
            if connection is not None:
                connection.close()


@contextmanager
def opened(source: DatabaseSource, readers: int) -> Iterator[OracleSnapshot]:
    """See Dialect.snapshot. The log is to be read from the start of the oldest transaction that was open then."""
    with connected(source) as connection:
        oldest = rows(connection, OLDEST_OPEN)[0][0]  # before the SCN: what opens in between starts later than both
        scn = int(rows(connection, CURRENT)[0][0])
    snapshot = OracleSnapshot(source, readers, scn, min(scn, int(oldest or scn)))
    try:
        yield snapshot
    finally:
        snapshot.close()
