"""MariaDB with a row binlog that holds whole rows."""

import signal
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import pymysql

from ingestion.stack.connect import connect_mariadb
from ingestion.stack.part import HOST, Facts, Run, Site

_USER = "frazil"
_OPTIONS = {
    "bind-address": HOST,
    "skip-name-resolve": "ON",
    "socket": "mariadb.sock",  # below the data folder: its whole path may be longer than a socket's can be
    "server-id": "1",
    "log-bin": "binlog",
    "binlog-format": "ROW",
    "binlog-row-image": "FULL",
    "binlog-row-metadata": "FULL",
    "gtid-domain-id": "0",
    "gtid-strict-mode": "ON",
    "character-set-server": "utf8mb4",
    "collation-server": "utf8mb4_unicode_ci",
    "default-time-zone": "+00:00",
    "local-infile": "ON",
    "max-connections": "200",
    "max-allowed-packet": "64M",
    "innodb-buffer-pool-size": "256M",
    "innodb-log-file-size": "256M",
}
_WITHOUT_SYNC = {"innodb-flush-method": "nosync", "innodb-flush-log-at-trx-commit": "2"}


class MariaDb:
    """Password over TCP on loopback; the nameless and root accounts of a fresh installation are removed."""

    name = "mariadb"
    title = "MariaDB 10.11.5"
    needs = ()
    sources = ()
    stop_signal = signal.SIGTERM
    drop_signal = signal.SIGKILL

    def unpack(self, artifacts: Sequence[Path], folder: Path) -> None:
        with zipfile.ZipFile(artifacts[0]) as jar:
            for entry in jar.infolist():
                _, linux, below = entry.filename.partition("/linux/")
                if linux and below and not entry.is_dir():
                    entry.filename = below
                    target = Path(jar.extract(entry, folder))
                    if below.startswith(("bin/", "scripts/")):
                        target.chmod(0o755)  # the jar does not say which files are programs

    def create(self, site: Site, run: Run) -> None:
        program = str(site.programs / "scripts" / "mariadb-install-db")
        where = [f"--basedir={site.programs}", f"--datadir={site.data / 'cluster'}"]
        quiet = ["--no-defaults", "--force", "--skip-name-resolve", "--skip-test-db"]
        sync = [] if site.durable else [f"--{name}={value}" for name, value in _WITHOUT_SYNC.items()]
        run([program, *quiet, *where, "--auth-root-authentication-method=normal", *sync])
        first = site.data / "first.sql"
        first.write_text(_accounts(site.password), encoding="utf-8")

    def files(self, site: Site) -> Mapping[str, str]:
        return {}

    def command(self, site: Site) -> list[str]:
        program = str(site.programs / "bin" / "mariadbd")
        where = [f"--basedir={site.programs}", f"--datadir={site.data / 'cluster'}", f"--port={site.port}"]
        first = site.data / "first.sql"
        once = [f"--init-file={first}"] if first.exists() else []
        options = _OPTIONS if site.durable else _OPTIONS | _WITHOUT_SYNC
        return [program, "--no-defaults", *where, *(f"--{name}={value}" for name, value in options.items()), *once]

    def facts(self, site: Site) -> Facts:
        return Facts("mysql", HOST, site.port, _USER, "mysql", site.password)

    def ready(self, site: Site) -> bool:
        try:
            connect_mariadb(self.facts(site)).close()
        except pymysql.err.OperationalError:
            return False
        (site.data / "first.sql").unlink(missing_ok=True)
        return True


def _accounts(password: str) -> str:
    """The server runs it before it listens, once; one statement per line. It may run again: then it changes nothing."""
    statements = (
        "set session sql_log_bin = 0",
        "delete from mysql.global_priv where User in ('', 'root')",
        "flush privileges",
        f"create or replace user {_USER}@'%' identified by '{password}'",
        f"grant all privileges on *.* to {_USER}@'%' with grant option",
    )
    return "".join(f"{statement};\n" for statement in statements)


PART = MariaDb()
