import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from ingestion.errors import PermanentError, RetryableError, UsageError
from ingestion.runtime.jars import ensure_jars, locked_jars
from ingestion.runtime.spark import spark_conf, spark_session, start_early
from ingestion.settings import Settings
from tests.support.spark import INSTALLED


def test_jars_that_are_there_need_neither_java_nor_network(tmp_path: Path) -> None:
    jars = ensure_jars("spark", INSTALLED / "jars", java_home=tmp_path / "no-java")

    assert {jar.name for jar in jars} == set(locked_jars("spark"))


def test_a_jar_that_differs_from_the_lock_is_never_used(tmp_path: Path) -> None:
    shutil.copytree(INSTALLED / "jars" / "spark", tmp_path / "jars" / "spark")
    broken = tmp_path / "jars" / "spark" / next(iter(locked_jars("spark")))
    broken.write_bytes(b"not a jar")

    with pytest.raises((PermanentError, RetryableError, OSError)):
        ensure_jars("spark", tmp_path / "jars", java_home=tmp_path / "no-java")


def test_spark_is_given_exactly_the_locked_jars() -> None:
    listed = spark_conf()["spark.jars"]

    assert {path.rsplit("/", 1)[1] for path in listed.split(",")} == set(locked_jars("spark"))


@pytest.mark.parametrize("start", [spark_session, start_early])
def test_without_its_jars_no_spark_is_started_and_the_set_up_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, start: Callable[[Settings], object]
) -> None:
    monkeypatch.setenv("FRAZIL_HOME", "")  # what is exported for Spark is taken back after the test
    monkeypatch.setenv("SPARK_HOME", str(tmp_path / "no-spark"))  # one that would be started fails otherwise
    folder = tmp_path / "jars" / "spark"
    folder.mkdir(parents=True)
    here, *missing = locked_jars("spark")
    (folder / here).touch()

    with pytest.raises(UsageError, match="frazil setup") as refused:
        start(Settings(home=tmp_path))

    assert str(folder) in str(refused.value)
    assert {name for name in locked_jars("spark") if name in str(refused.value)} == set(missing)
