"""Starting a server as another user, knowing it again later, and ending it."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from ingestion.errors import PermanentError
from ingestion.stack.places import Account

_children: list[subprocess.Popen[bytes]] = []  # kept, so that ended children are reaped and not warned about


@dataclass(frozen=True)
class Identity:
    """A process that cannot be mistaken for a later one of the same number: when it began, in ticks of which boot."""

    pid: int
    ticks: int
    boot: str

    @classmethod
    def of(cls, pid: int) -> "Identity":
        """Raises ProcessLookupError when there is none, or only its zombie."""
        try:
            text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            raise ProcessLookupError(pid) from error
        fields = text.rsplit(")", 1)[1].split()  # the name in parentheses may hold anything
        if fields[0] in "ZX":
            raise ProcessLookupError(pid)
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
        return cls(pid, int(fields[19]), boot)

    def is_running(self) -> bool:
        try:
            return Identity.of(self.pid) == self
        except ProcessLookupError:
            return False


@dataclass(frozen=True)
class Started:
    """What is written down of a server that was started."""

    identity: Identity
    port: int

    def save(self, path: Path) -> None:
        draft = path.with_suffix(".new")
        draft.write_text(json.dumps({**asdict(self.identity), "port": self.port}), encoding="utf-8")
        draft.replace(path)

    @classmethod
    def load(cls, path: Path) -> "Started | None":
        """None when there is no such file, or it is not one of ours."""
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            return cls(Identity(int(found["pid"]), int(found["ticks"]), str(found["boot"])), int(found["port"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None


def launch(command: Sequence[str], log_file: Path, folder: Path, account: Account) -> Identity:
    """Start a server in a session of its own (an interrupt on the terminal does not reach it); its log is appended."""
    with log_file.open("ab") as log:
        process = subprocess.Popen(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=folder,
            env=_environment(folder),
            start_new_session=True,
            umask=0o077,
            user=account.uid,
            group=account.gid,
            extra_groups=account.groups,
        )
    _children.append(process)
    try:
        return Identity.of(process.pid)
    except ProcessLookupError:
        return Identity(process.pid, 0, "")


def run(command: Sequence[str], folder: Path, account: Account) -> None:
    """Run a program to its end as the server's account; PermanentError shows its last lines if it fails."""
    done = subprocess.run(
        list(command),
        capture_output=True,
        cwd=folder,
        env=_environment(folder),
        check=False,
        user=account.uid,
        group=account.gid,
        extra_groups=account.groups,
    )
    if done.returncode:
        words = (done.stdout + done.stderr).decode("utf-8", "replace").strip().splitlines()
        raise PermanentError(f"{Path(command[0]).name} failed ({done.returncode}):\n" + "\n".join(words[-12:]))


def stop(identity: Identity, clean: signal.Signals, seconds: float) -> bool:
    """End a process cleanly; False when it had to be killed because `seconds` had passed."""
    if not identity.is_running():
        return True
    os.kill(identity.pid, clean)
    if _gone(identity, seconds):
        return True
    os.killpg(identity.pid, signal.SIGKILL)
    _gone(identity, 10)
    return False


def _gone(identity: Identity, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not identity.is_running():
            for child in _children:
                child.poll()
            return True
        time.sleep(0.02)
    return False


def holder_of(port: int) -> str:
    """Who listens on a port of this machine, as far as this user may see it."""
    for found in psutil.net_connections("tcp"):
        if found.status == psutil.CONN_LISTEN and found.laddr and found.laddr.port == port and found.pid:
            return f"process {found.pid} ({psutil.Process(found.pid).name()})"
    return "another process"


def _environment(folder: Path) -> dict[str, str]:
    """Nothing of the caller's but the search path: no secret reaches a server by its environment."""
    return {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(folder), "LC_ALL": "C", "TZ": "UTC"}
