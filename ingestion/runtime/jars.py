"""Jars named in ivy.xml, fetched once by the Ivy inside pyspark and checked against requirements/jars.lock."""

import hashlib
import subprocess
from importlib.util import find_spec
from pathlib import Path

from ingestion.errors import PermanentError, RetryableError
from ingestion.settings import PROJECT_ROOT

IVY_FILE = PROJECT_ROOT / "ivy.xml"
LOCK_FILE = PROJECT_ROOT / "requirements" / "jars.lock"


def locked_jars(part: str, lock: Path = LOCK_FILE) -> dict[str, str]:
    """File name to sha256 of one part's jars, as committed."""
    lines = (line.split() for line in lock.read_text(encoding="utf-8").splitlines() if line.strip())
    return {path.removeprefix(f"{part}/"): digest for digest, path in lines if path.startswith(f"{part}/")}


def ensure_jars(part: str, jars_dir: Path, java_home: Path, lock: Path = LOCK_FILE) -> list[Path]:
    """The part's jars below `jars_dir`, fetched if one is missing; a jar that differs from the lock is an error.

    Needs no network once the jars are there.
    """
    wanted = locked_jars(part, lock)
    folder = jars_dir / part
    if not all((folder / name).is_file() for name in wanted):
        fetch_jars(part, jars_dir, java_home)
    for name, digest in wanted.items():
        found = _digest(folder / name)
        if found != digest:
            raise PermanentError(
                f"{folder / name}: sha256 is {found or 'missing'}, the lock says {digest}; delete it and set up again"
            )
    return [folder / name for name in wanted]


def fetch_jars(part: str, jars_dir: Path, java_home: Path) -> None:
    """Let Ivy resolve one part of ivy.xml and copy its files to `jars_dir/<part>`."""
    spark = find_spec("pyspark")  # looked up, not imported: that takes a second
    assert spark is not None
    assert spark.origin is not None
    ivy = next((Path(spark.origin).parent / "jars").glob("ivy-*.jar"))
    pattern = f"{jars_dir}/[conf]/[artifact]-[revision](-[classifier]).[ext]"
    words = [
        str(java_home / "bin" / "java"),
        *("-cp", str(ivy), "org.apache.ivy.Main"),
        *("-ivy", str(IVY_FILE), "-cache", str(jars_dir.parent / "ivy")),
        *("-confs", part, "-retrieve", pattern, "-warn"),
    ]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = (done.stdout + done.stderr).strip().splitlines()
        raise RetryableError(f"jars of {part} could not be fetched; is the network up?\n" + "\n".join(lines[-5:]))


def _digest(path: Path) -> str | None:
    if not path.is_file():
        return None
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
