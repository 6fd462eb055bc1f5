"""Where the stack's programs and data are, and whether a server without root's rights can reach them."""

import hashlib
import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path

from ingestion.errors import PermanentError, UsageError
from ingestion.settings import Settings

SERVER_USER = "nobody"
_FALLBACK = Path("/var/tmp")  # noqa: S108 - survives a restart; the folder below it is checked to be ours


@dataclass(frozen=True)
class Account:
    """Whom the servers run as: None is the caller."""

    uid: int | None
    gid: int | None

    @classmethod
    def current(cls) -> "Account":
        """Database servers refuse to run as root, so root's servers run as `nobody`."""
        if os.geteuid() != 0:
            return cls(None, None)
        entry = pwd.getpwnam(SERVER_USER)
        return cls(entry.pw_uid, entry.pw_gid)

    @property
    def groups(self) -> list[int] | None:
        """No supplementary groups for another user; the caller's own for the caller."""
        return None if self.uid is None else []

    def give(self, path: Path) -> None:
        """Make the account the owner of `path`."""
        if self.uid is not None and self.gid is not None:
            os.chown(path, self.uid, self.gid)


@dataclass(frozen=True)
class Places:
    """`artifacts` as fetched, `programs` unpacked from them, `state` with one folder per part.

    `java_options` are what the operator adds to the command of those parts that are run by Java.
    """

    artifacts: Path
    programs: Path
    state: Path
    java_options: tuple[str, ...] = ()

    @classmethod
    def of(cls, settings: Settings) -> "Places":
        """Below FRAZIL_STACK_DIR, or else FRAZIL_HOME/stack.

        For root whose FRAZIL_HOME `nobody` may not enter (a clone in root's own folder), programs and data are in a
        folder below /var/tmp that is named after FRAZIL_HOME; artifacts stay. A folder that was set is never replaced:
        `check_reachable` refuses it.
        """
        home = settings.home_dir / "stack"
        options = tuple(settings.stack_java_options)
        if settings.stack_dir is not None:
            root = settings.stack_dir.expanduser().resolve()
            return cls(home / "artifacts", root / "programs", root, options)
        root = home
        if Account.current().uid is not None and _closed_folder(home) is not None:
            digest = hashlib.sha256(str(home).encode()).hexdigest()[:12]
            root = _FALLBACK / f"frazil-stack-{digest}"
        return cls(home / "artifacts", root / "programs", root, options)

    def make(self) -> None:
        """Create the folders and check that the servers' account can enter them and no other user owns them."""
        for folder in (self.artifacts, self.programs, self.state):
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise UsageError(
                    f"{folder} cannot be made ({error.strerror}); set FRAZIL_STACK_DIR to a folder you may write"
                ) from error
        for folder in (self.programs, self.state):
            if folder.stat().st_uid != os.geteuid():
                raise PermanentError(f"{folder} belongs to another user; remove it, or set FRAZIL_STACK_DIR")
            if not os.access(folder, os.W_OK | os.X_OK):
                raise UsageError(f"{folder} cannot be written; set FRAZIL_STACK_DIR to a folder you may write")
            if Account.current().uid is not None:
                folder.chmod(0o755)
                closed = _closed_folder(folder)
                if closed is not None:
                    raise UsageError(
                        f"{closed} cannot be entered by `{SERVER_USER}`, as whom servers run when you are root; "
                        f"set FRAZIL_STACK_DIR to a folder outside it, for example /var/lib/frazil-stack"
                    )


def _closed_folder(path: Path) -> Path | None:
    """The first folder on the way to `path` that strangers may not enter."""
    for folder in reversed((path, *path.parents)):
        if folder.exists() and not folder.stat().st_mode & stat.S_IXOTH:
            return folder
    return None
