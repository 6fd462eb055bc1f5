"""The life of one part: fetched, created, started, known again, stopped."""

import fcntl
import secrets
import shutil
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

import click

from ingestion.errors import PermanentError, RetryableError, UsageError
from ingestion.stack.artifacts import ensure_programs
from ingestion.stack.part import HOST, Facts, Site, part_by_name
from ingestion.stack.places import Account, Places
from ingestion.stack.process import Identity, Started, holder_of, launch, run, stop

_LOG_LINES = 15
State = Literal["absent", "stopped", "starting", "running"]


@dataclass(frozen=True)
class Status:
    """One part as it is now; `port` is the one of the last start, 0 if it never was started."""

    part: str
    state: State
    port: int
    pid: int | None
    url: str
    log_file: Path


class Server:
    """One part of the stack below `places`. Every method may be called again, and from several processes.

    `port` 0 takes the port of the last start if it is free, or else any free one. Not `durable` is faster and risks
    the data in a power cut.
    """

    def __init__(
        self,
        name: str,
        places: Places,
        port: int = 0,
        say: Callable[[str], None] | None = None,
        *,
        durable: bool = True,
    ) -> None:
        self.part = part_by_name(name)
        self.places = places
        self._port, self._durable = port, durable
        self._say = say or partial(click.echo, err=True)
        self.folder = places.state / name
        self.log_file = self.folder / "server.log"

    def up(self, seconds: float = 60) -> Facts:
        """Start it unless it runs, and wait until it answers.

        Raises UsageError for a port that is taken or a folder that cannot be used, and PermanentError with the end of
        the server's log when it does not come up.
        """
        self.places.make()
        with self._alone():
            started = self._running()
            if started is None:
                self._start_needed(seconds)
                programs = ensure_programs(self.part, self.places, self._say)
                self._create(programs)
                started = self._start(programs)
            elif self._port not in (0, started.port):
                raise UsageError(
                    f"{self.part.name} already runs on port {started.port}, not on {self._port}; "
                    f"run `frazil stack down {self.part.name}` first"
                )
            site = self._site(started.port)
            self._wait(site, started.identity, seconds)
            return self.part.facts(site)

    def down(self, seconds: float = 60) -> bool:
        """End it cleanly; False if it was not running. What it holds stays for the next start."""
        return self._end(self.part.stop_signal, seconds)

    def remove(self) -> None:
        """End it and forget everything it holds."""
        self._end(self.part.drop_signal, 60)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _end(self, sign: signal.Signals, seconds: float) -> bool:
        if not self.folder.is_dir():
            return False
        with self._alone():
            started = self._running()
            if started is None:
                return False
            if not stop(started.identity, sign, seconds):
                self._say(f"{self.part.title} did not end within {seconds:.0f} s and was killed; see {self.log_file}")
            return True

    def facts(self) -> Facts:
        """How to connect to the running server; UsageError says how to start it."""
        started = self._running()
        if started is None:
            raise UsageError(f"{self.part.name} is not running; run `frazil stack up {self.part.name}`")
        return self.part.facts(self._site(started.port))

    def status(self) -> Status:
        """As it is now."""
        last = Started.load(self._state_file)
        if last is None or not self._password_file.exists():
            return Status(self.part.name, "absent", 0, None, "", self.log_file)
        site = self._site(last.port)
        state: State = "stopped"
        if last.identity.is_running():
            state = "running" if self.part.ready(site) else "starting"
        pid = None if state == "stopped" else last.identity.pid
        return Status(self.part.name, state, last.port, pid, self.part.facts(site).url, self.log_file)

    @property
    def _state_file(self) -> Path:
        return self.folder / "state.json"

    @property
    def _password_file(self) -> Path:
        return self.folder / "password"

    @property
    def _maker_file(self) -> Path:
        return self.folder / "made-by"

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    def _running(self) -> Started | None:
        started = Started.load(self._state_file)
        return started if started is not None and started.identity.is_running() else None

    def _site(self, port: int, programs: Path = Path()) -> Site:
        return self._site_in(self._data, port, self._password_file.read_text(encoding="utf-8"), programs)

    def _site_in(self, data: Path, port: int, password: str, programs: Path) -> Site:
        return Site(programs, data, port, password, self._durable, self.places.java_options)

    def _create(self, programs: Path) -> None:
        """Make password and data; what was cut short is made anew, what is complete is kept."""
        if self._data.is_dir():
            return
        account = Account.current()
        password = secrets.token_urlsafe(24)
        self._password_file.unlink(missing_ok=True)
        self._password_file.touch(mode=0o600)
        self._password_file.write_text(password, encoding="utf-8")
        draft = self.folder / "data.new"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)
        account.give(draft)
        self._say(f"{self.part.title}: creating {self._data}")
        self.part.create(self._site_in(draft, 0, password, programs), partial(run, folder=draft, account=account))
        for path in draft.iterdir():
            account.give(path)
        self._maker_file.write_text(self.part.title, encoding="utf-8")
        draft.rename(self._data)

    def _start(self, programs: Path) -> Started:
        account = Account.current()
        port = self._choose_port()
        self._say(f"{self.part.title}: starting on port {port}")
        peers = {name: Server(name, self.places).facts() for name in self.part.needs}
        site = replace(self._site(port, programs), peers=peers)
        for name, text in self.part.files(site).items():
            path = self._data / name
            path.unlink(missing_ok=True)
            path.write_text(text, encoding="utf-8")
            account.give(path)
        command = self.part.command(site)
        started = Started(launch(command, self.log_file, self._data, account), port)
        started.save(self._state_file)
        return started

    def _start_needed(self, seconds: float) -> None:
        for name in self.part.needs:
            Server(name, self.places, say=self._say, durable=self._durable).up(seconds)

    def _choose_port(self) -> int:
        if self._port:
            if not _is_free(self._port):
                raise UsageError(
                    f"port {self._port} for {self.part.name} is taken by {holder_of(self._port)}; "
                    f"end it, or choose another port, or 0 for a free one"
                )
            return self._port
        last = Started.load(self._state_file)
        if last is not None and _is_free(last.port):
            return last.port
        with socket.socket() as found:
            found.bind((HOST, 0))
            port: int = found.getsockname()[1]
            return port

    def _wait(self, site: Site, identity: Identity, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not self.part.ready(site):
            if not identity.is_running():
                raise PermanentError(f"{self.part.title} did not start:\n{self._last_words()}{self._other_maker()}")
            if time.monotonic() > deadline:
                raise PermanentError(
                    f"{self.part.title} runs but did not answer on port {site.port} within {seconds:.0f} s:\n"
                    f"{self._last_words()}"
                )
            time.sleep(0.05)

    def _last_words(self) -> str:
        lines = self.log_file.read_text(encoding="utf-8", errors="replace").splitlines()[-_LOG_LINES:]
        return "\n".join([*(f"  {line}" for line in lines), f"The whole log: {self.log_file}"])

    def _other_maker(self) -> str:
        maker = self._maker_file.read_text(encoding="utf-8") if self._maker_file.exists() else "another version"
        if maker == self.part.title:
            return ""
        name = self.part.name
        return f"\nIts data was made by {maker}; if that is why, `frazil stack down {name} --remove` gives it up"

    @contextmanager
    def _alone(self, seconds: float = 120) -> Iterator[None]:
        """One process at a time starts or stops this part."""
        self.folder.mkdir(exist_ok=True)
        self.folder.chmod(0o755)
        with (self.folder / "lock").open("a") as file:
            deadline = time.monotonic() + seconds
            while True:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > deadline:
                        raise RetryableError(
                            f"another process has been starting or stopping {self.part.name} for {seconds:.0f} s; "
                            "try again later"
                        ) from None
                    time.sleep(0.1)
            yield


def _is_free(port: int) -> bool:
    with socket.socket() as found:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            found.bind((HOST, port))
        except OSError:
            return False
    return True
