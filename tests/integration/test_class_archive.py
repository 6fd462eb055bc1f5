import logging
import subprocess
import sys
from pathlib import Path

import pytest

from ingestion.runtime.class_archive import archive_path, ensure_archive
from ingestion.runtime.java import find_java
from ingestion.runtime.spark import write_spark_env
from tests.support.spark import INSTALLED


def test_one_java_and_class_path_has_one_archive(tmp_path: Path) -> None:
    java = find_java(INSTALLED)
    first = archive_path(tmp_path, java)
    assert archive_path(tmp_path, java) == first

    (tmp_path / "more.jar").write_bytes(b"")
    assert archive_path(tmp_path, java) != first


def test_a_second_set_up_writes_nothing_that_a_spark_may_be_reading() -> None:
    conf = write_spark_env(find_java(INSTALLED)).parent
    before = {path.name: path.stat().st_mtime_ns for path in conf.iterdir()}

    write_spark_env(find_java(INSTALLED))

    assert {path.name: path.stat().st_mtime_ns for path in conf.iterdir()} == before
    assert {"frazil.jar", "spark-env.sh"} <= before.keys()


def test_the_archive_of_another_java_is_removed(tmp_path: Path) -> None:
    old, kept = tmp_path / "classes-old.jsa", tmp_path / "classes-new.jsa"
    old.write_bytes(b"old")
    kept.write_bytes(b"new")

    assert ensure_archive(kept, INSTALLED / "jars")
    assert list(tmp_path.iterdir()) == [kept]


@pytest.mark.spark
def test_a_spark_that_does_not_work_leaves_no_archive_and_says_why(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert not ensure_archive(tmp_path / "classes-x.jsa", tmp_path / "no-jars")

    assert "Java's classes are not kept: " in caplog.text
    assert not list(tmp_path.iterdir())


@pytest.mark.stress
def test_a_full_disk_leaves_no_archive(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from ingestion.runtime.class_archive import ensure_archive\n"
        "sys.exit(ensure_archive(Path(sys.argv[1]), Path(sys.argv[2])))"
    )
    limited = ["bash", "-c", 'ulimit -f 100000; exec "$@"', "bash", sys.executable, "-c", code]
    archive = tmp_path / "classes-x.jsa"
    done = subprocess.run([*limited, archive, INSTALLED / "jars"], capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    assert "is the disk full?" in done.stderr
    assert not list(tmp_path.iterdir())
