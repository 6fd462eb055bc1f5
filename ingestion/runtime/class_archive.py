"""An archive of the Java classes that Spark loads, which takes two fifths off what it costs to start one.

Java maps the classes of such an archive as they lie on disk instead of unpacking, checking and linking them one by one
(class data sharing, `-XX:ArchiveClassesAtExit`, JEP 350). It belongs to one Java and one class path: with others Java
starts without it and says nothing. A cut one kills Java, so an archive gets its name when all of it is on disk.
"""

import hashlib
import logging
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pyspark

_TRAINING_SECONDS = 300
_log = logging.getLogger(__name__)


def archive_path(conf: Path, java_home: Path) -> Path:
    """Where the archive lies for this Java and the jars of this environment's pyspark; another one, another name."""
    java = subprocess.run([java_home / "bin" / "java", "-version"], capture_output=True, check=False).stderr
    digest = hashlib.sha256(java)
    for jar in sorted([*(Path(pyspark.__file__).parent / "jars").glob("*.jar"), *conf.glob("*.jar")]):
        found = jar.stat()
        digest.update(f"{jar}:{found.st_size}:{found.st_mtime_ns}\n".encode())
    return conf / f"classes-{digest.hexdigest()[:16]}.jsa"


def ensure_archive(archive: Path, jars_dir: Path) -> bool:
    """Whether `archive` is there, made by a Spark that works for a moment if it is missing: half a minute, 180 MB.

    Run by the Java that spark-env.sh names. False if none could be made, which costs nothing but time at each start;
    a warning in the log says why. Archives of other names are removed.
    """
    if not archive.is_file():
        with tempfile.TemporaryDirectory(dir=archive.parent, prefix="training-") as folder:
            made = Path(folder) / archive.name
            if _trained(made, jars_dir):
                made.replace(archive)
    for other in archive.parent.glob("classes-*.jsa"):
        if other != archive:
            other.unlink(missing_ok=True)
    return archive.is_file()


def _trained(archive: Path, jars_dir: Path) -> bool:
    home = archive.parent
    (home / "jars").symlink_to(jars_dir.resolve(), target_is_directory=True)
    environment = os.environ | {"FRAZIL_HOME": str(home), "SPARK_SUBMIT_OPTS": f'-XX:ArchiveClassesAtExit="{archive}"'}
    words = [sys.executable, "-m", "ingestion.runtime.class_training"]
    try:
        subprocess.run(words, env=environment, capture_output=True, timeout=_TRAINING_SECONDS, check=True)
        with archive.open("rb") as file:
            os.fsync(file.fileno())
    except (OSError, subprocess.SubprocessError) as error:
        told = (getattr(error, "stderr", None) or b"").decode(errors="replace").strip().splitlines()
        _log.warning("Java's classes are not kept: %s", told[-1] if told else error)
        return False
    return True
