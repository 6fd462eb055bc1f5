"""What a server of the stack must say of itself; one module in `parts/` for each, found by its file name."""

import importlib
import pkgutil
import signal
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from ingestion.errors import UsageError

PARTS_DIR = Path(__file__).parent / "parts"
HOST = "127.0.0.1"


@dataclass(frozen=True)
class Facts:
    """How to connect: all that a client needs. `repr` leaves the password out."""

    scheme: str
    host: str
    port: int
    user: str
    database: str
    password: str

    @property
    def url(self) -> str:
        """Without the password."""
        account = f"{self.user}@" if self.user else ""
        return f"{self.scheme}://{account}{self.address}" + (f"/{self.database}" if self.database else "")

    @property
    def address(self) -> str:
        """`host:port`."""
        return f"{self.host}:{self.port}"

    def of(self, database: str) -> "Facts":
        """The same server, another database."""
        return replace(self, database=database)

    def __repr__(self) -> str:
        return f"Facts({self.url})"


@dataclass(frozen=True)
class Site:
    """Where one part is installed and what it was given: `programs` is shared and read-only, `data` is its own.

    Not `durable`: a power cut may cost data, the death of the server's process may not. `peers` are the parts it needs.
    """

    programs: Path
    data: Path
    port: int
    password: str
    durable: bool = True
    java_options: tuple[str, ...] = ()
    peers: Mapping[str, Facts] = field(default_factory=dict)


Run = Callable[[Sequence[str]], None]
"""Runs a program to its end as the user the server runs as; raises PermanentError with its last words if it fails."""


class Part(Protocol):
    """A server that `frazil stack` fetches, starts and stops.

    `stop_signal` ends it cleanly, `drop_signal` at once and without care for data that is removed next. `needs` are the
    parts that must run before it. `sources` are files of this project that its programs are made from, too.
    """

    name: str
    title: str
    needs: tuple[str, ...]
    sources: tuple[Path, ...]
    stop_signal: signal.Signals
    drop_signal: signal.Signals

    def unpack(self, artifacts: Sequence[Path], folder: Path) -> None:
        """Put the artifacts' programs into the empty `folder`."""
        ...

    def create(self, site: Site, run: Run) -> None:
        """Fill the empty `site.data` at the first start; the port is not known yet."""
        ...

    def files(self, site: Site) -> Mapping[str, str]:
        """What is written into `site.data` before each start, for the server's account to read."""
        ...

    def command(self, site: Site) -> list[str]:
        """The server in the foreground, listening on loopback only, writing its log to standard error."""
        ...

    def facts(self, site: Site) -> Facts:
        """How to connect to it."""
        ...

    def ready(self, site: Site) -> bool:
        """Whether it answers; called again until it does."""
        ...


def part_names() -> list[str]:
    """All parts, sorted."""
    return sorted(module.name for module in pkgutil.iter_modules([str(PARTS_DIR)]))


def part_by_name(name: str) -> Part:
    """The part called `name`; UsageError names the ones there are."""
    if name not in part_names():
        raise UsageError(f"no part {name!r} in the stack; there are: {', '.join(part_names())}")
    part: Part = importlib.import_module(f"ingestion.stack.parts.{name}").PART
    return part


def in_order(names: Iterable[str]) -> list[str]:
    """`names` and what they need, each once, and after what it needs."""
    found: dict[str, None] = {}
    for name in names:
        found.update(dict.fromkeys([*in_order(part_by_name(name).needs), name]))
    return list(found)
