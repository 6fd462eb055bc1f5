"""PostgreSQL with logical decoding switched on."""

import lzma
import signal
import tarfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import psycopg

from ingestion.stack.connect import connect_postgres
from ingestion.stack.part import HOST, Facts, Run, Site

_USER = "frazil"
_SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "password_encryption": "scram-sha-256",
    "wal_level": "logical",
    "max_wal_senders": "60",
    "max_replication_slots": "60",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


class Postgres:
    """Password over TCP on loopback, no socket file; text sorts by code point, case follows Unicode."""

    name = "postgres"
    title = "PostgreSQL 17.11"
    needs = ()
    sources = ()
    stop_signal = signal.SIGINT  # ends sessions and writes a checkpoint; SIGTERM would wait for the clients
    drop_signal = signal.SIGQUIT  # gives its shared memory back, as SIGKILL would not

    def unpack(self, artifacts: Sequence[Path], folder: Path) -> None:
        with zipfile.ZipFile(artifacts[0]) as jar:
            inner = next(name for name in jar.namelist() if name.endswith(".txz"))
            with jar.open(inner) as packed, lzma.open(packed) as plain, tarfile.open(fileobj=plain, mode="r|") as tar:
                # Python before 3.11.4 has no filters; the archive is known by its sha256, so none is needed.
                tar.extraction_filter = getattr(tarfile, "data_filter", None)
                tar.extractall(folder)  # noqa: S202

    def create(self, site: Site, run: Run) -> None:
        password = site.data / ".password"
        password.write_text(site.password, encoding="utf-8")
        password.chmod(0o644)  # inside a folder that only the server's account may enter
        program = str(site.programs / "bin" / "initdb")
        words = [program, "--pgdata", str(site.data / "cluster"), "--username", _USER, "--pwfile", str(password)]
        locale = ["--encoding", "UTF8", "--locale-provider", "builtin", "--builtin-locale", "C.UTF-8", "--locale", "C"]
        try:
            sync = [] if site.durable else ["--no-sync"]
            run([*words, "--auth", "scram-sha-256", *locale, "--no-instructions", *sync])
        finally:
            password.unlink()

    def files(self, site: Site) -> Mapping[str, str]:
        return {}

    def command(self, site: Site) -> list[str]:
        settings = {**_SETTINGS, "port": str(site.port), "fsync": "on" if site.durable else "off"}
        words = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        return [str(site.programs / "bin" / "postgres"), "-D", str(site.data / "cluster"), *words]

    def facts(self, site: Site) -> Facts:
        return Facts("postgresql", HOST, site.port, _USER, "postgres", site.password)

    def ready(self, site: Site) -> bool:
        try:
            connect_postgres(self.facts(site)).close()
        except psycopg.OperationalError:
            return False
        return True


PART = Postgres()
