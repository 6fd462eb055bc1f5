"""A stand-in for Oracle's driver: no server can be had. It keeps what it is sent and answers as told."""

from collections.abc import Mapping
from typing import Any

import oracledb
import pytest

Rows = list[tuple[Any, ...]]
NO_VIEW = oracledb.DatabaseError("ORA-00942: table or view does not exist")


class Server:
    """`answers` has the rows or the error of the statements that contain its words; others have no rows.

    `sent` are all statements, in their order, without those that begin a session; `words` are the connection's.
    """

    version = "19.3.0.0.0"

    def __init__(self, answers: Mapping[str, Rows | Exception]) -> None:
        self.answers = answers
        self.sent: list[str] = []
        self.words: dict[str, Any] = {}
        self.is_open = True

    def connect(self, **words: Any) -> "Server":
        self.words, self.is_open = words, True
        return self

    def cursor(self) -> "Cursor":
        return Cursor(self)

    def is_healthy(self) -> bool:
        return self.is_open

    def close(self) -> None:
        self.is_open = False


class Cursor:
    """A cursor of the stand-in."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._rows: Rows = []
        self.arraysize = self.prefetchrows = 0

    def __enter__(self) -> "Cursor":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def execute(self, sql: str) -> None:
        self._server.sent.append(sql)
        found = next((answer for words, answer in self._server.answers.items() if words in sql), [])
        if isinstance(found, Exception):
            raise found
        self._rows = list(found)

    def fetchall(self) -> Rows:
        return self.fetchmany(len(self._rows))

    def fetchmany(self, count: int | None = None) -> Rows:
        count = self.arraysize if count is None else count
        found, self._rows = self._rows[:count], self._rows[count:]
        return found


def serving(monkeypatch: pytest.MonkeyPatch, answers: Mapping[str, Rows | Exception]) -> Server:
    """The driver's `connect` leads to a stand-in with these answers."""
    server = Server(answers)
    monkeypatch.setattr(oracledb, "connect", server.connect)
    return server
