"""COPY ... TO STDOUT as blocks of whole rows, without Python work per row beyond taking it from the driver."""

import select
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import psycopg
import pyarrow as pa
from psycopg import pq

from ingestion.bulk.dialects.postgres.connection import Connection
from ingestion.bulk.dialects.postgres.textblocks import TextBlocks
from ingestion.bulk.model import SourceTable

_BLOCK_BYTES = 8 * 1024 * 1024


def batches(connection: Connection, table: SourceTable, sql: str) -> Iterator[pa.RecordBatch]:
    """The rows of `sql`, which prints one field per column of `table`; a block is read while another is parsed."""
    parser = TextBlocks(table)
    pending: Future[pa.RecordBatch] | None = None
    with ThreadPoolExecutor(1, thread_name_prefix="parse") as executor:
        for block in blocks(connection, f"copy ({sql}) to stdout (format text)"):
            done, pending = pending, executor.submit(parser.batch, block)
            if done is not None:
                yield done.result()
        if pending is not None:
            yield pending.result()


def blocks(connection: Connection, copy: str) -> Iterator[bytearray]:
    """The output of a COPY in blocks of whole rows: the server sends every row as one message.

    A generator that is not read to its end leaves the connection busy; it is closed then.
    """
    wire = connection.pgconn
    wire.send_query(copy.encode())
    poll = select.poll()
    poll.register(wire.socket, select.POLLIN)
    finished = False
    try:
        _flushed(wire)
        while wire.is_busy():
            poll.poll()
            wire.consume_input()
        _expect(connection, wire.get_result(), pq.ExecStatus.COPY_OUT)
        take, receive, wait = wire.get_copy_data, wire.consume_input, poll.poll
        block = bytearray()
        while True:
            size, row = take(1)
            if size > 0:
                block += row
                if len(block) >= _BLOCK_BYTES:
                    yield block
                    block = bytearray()
            elif size == 0:
                wait()
                receive()
            else:
                break
        _expect(connection, wire.get_result(), pq.ExecStatus.COMMAND_OK)
        while wire.get_result() is not None:
            pass
        finished = True
        if block:
            yield block
    finally:
        if not finished:
            connection.close()


def _flushed(wire: pq.abc.PGconn) -> None:
    while wire.flush():
        select.select([], [wire.socket], [])


def _expect(connection: Connection, result: pq.abc.PGresult | None, status: pq.ExecStatus) -> None:
    if result is None:
        raise psycopg.OperationalError("the connection was lost")
    if result.status != status:
        raise psycopg.errors.error_from_result(result, encoding=connection.info.encoding)
