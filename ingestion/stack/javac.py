"""The project's own Java, compiled by Eclipse's compiler, which needs no JDK."""

import subprocess
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

from ingestion.errors import PermanentError

SOURCES = Path(__file__).parent / "java"


def compile_jar(jar: Path, compiler: Path, libraries: Sequence[Path], java_home: Path) -> None:
    """All of `java/` against `libraries` into `jar`; PermanentError with the compiler's first words if it refuses."""
    with tempfile.TemporaryDirectory() as folder:
        # Not --release: a newer Java without its development files does not know what was in 17.
        words = [
            *(str(java_home / "bin" / "java"), "-jar", str(compiler), "-source", "17", "-target", "17", "-proc:none"),
            *("-cp", ":".join(map(str, libraries)), "-d", folder, str(SOURCES)),
        ]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        if done.returncode:
            raise PermanentError(f"{SOURCES} was not compiled: {(done.stderr or done.stdout).strip()[:2000]}")
        with zipfile.ZipFile(jar, "w", zipfile.ZIP_DEFLATED) as made:
            for path in sorted(Path(folder).rglob("*.class")):
                made.write(path, path.relative_to(folder))
