"""The binary log of MySQL and MariaDB: its places as text."""

import re
from dataclasses import dataclass

import pymysql

from ingestion.bulk.dialects.mysql.connection import Connection, rows

_STATUS = ("show master status", "show binary log status")  # the second since MySQL 8.2


@dataclass(frozen=True)
class LogPlace:
    """A file and an offset in it; `gtid` is the set of transactions before it, where the server counts them."""

    file: str
    offset: int
    gtid: str

    @property
    def fixed_width(self) -> str:
        """Sorts as text: mysql-bin.000012 at 345 as 0000000012:00000000000000000345."""
        number = re.search(r"(\d+)$", self.file)
        return f"{int(number.group(1)) if number else 0:010d}:{self.offset:020d}"

    @property
    def start(self) -> str:
        """As readers of the log are told it; empty without a log."""
        return f"{self.file}:{self.offset}" if self.file else ""


NO_LOG = LogPlace("", 0, "")


def is_mariadb(connection: Connection) -> bool:
    """MariaDB and MySQL count transactions in different ways."""
    return "mariadb" in str(rows(connection, "select version()")[0][0]).lower()


def current(connection: Connection) -> LogPlace:
    """The end of the log. Raises the driver's error without the privilege; NO_LOG where there is no log."""
    for number, statement in enumerate(_STATUS):
        try:
            found = rows(connection, statement)
        except pymysql.err.ProgrammingError:
            if number + 1 == len(_STATUS):
                raise
            continue
        if not found:
            return NO_LOG
        return LogPlace(str(found[0][0]), int(found[0][1]), _gtid(connection))
    return NO_LOG


def of_snapshot(connection: Connection) -> LogPlace | None:
    """The place that this transaction's snapshot was taken at, which MariaDB knows without a lock; else None."""
    found = dict(rows(connection, "show status like 'binlog\\_snapshot\\_%'"))
    file, offset = found.get("Binlog_snapshot_file", ""), found.get("Binlog_snapshot_position", "0")
    if not file:
        return None
    [(gtid,)] = rows(connection, f"select binlog_gtid_pos('{file}', {int(offset)})")
    return LogPlace(file, int(offset), gtid or "")


def _gtid(connection: Connection) -> str:
    name = "@@global.gtid_binlog_pos" if is_mariadb(connection) else "@@global.gtid_executed"
    return str(rows(connection, f"select {name}")[0][0] or "").replace("\n", "")
