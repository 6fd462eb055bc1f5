import subprocess
from pathlib import Path

import pytest

from ingestion.runtime.java import find_java, java_version


def java_home(folder: Path, version: str) -> Path:
    """A JAVA_HOME whose `java` answers as that version does."""
    java = folder / "bin" / "java"
    java.parent.mkdir(parents=True)
    java.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\" 2025-01-01' >&2\n", encoding="utf-8")
    java.chmod(0o755)
    return folder


@pytest.mark.parametrize(("shown", "major"), [("17.0.15", 17), ("21", 21), ("1.8.0_402", 8), ("25.0.1", 25)])
def test_the_major_version_is_read_as_each_java_writes_it(tmp_path: Path, shown: str, major: int) -> None:
    home = java_home(tmp_path / "jdk", shown)

    assert java_version(home / "bin" / "java") == major


def test_java_home_goes_before_the_path(tmp_path: Path) -> None:
    wanted, other = java_home(tmp_path / "a", "17.0.1"), java_home(tmp_path / "b", "21.0.1")

    found = find_java(tmp_path, {"JAVA_HOME": str(wanted), "PATH": str(other / "bin")})

    assert found == wanted


def test_java_25_is_refused_by_name_and_the_next_one_taken(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    refused, taken = java_home(tmp_path / "a", "25.0.1"), java_home(tmp_path / "b", "21.0.1")

    found = find_java(tmp_path, {"JAVA_HOME": str(refused), "PATH": str(taken / "bin")})

    assert found == taken
    assert f"Java 25 at {refused} cannot run Spark" in capsys.readouterr().err


def test_without_a_fitting_java_the_packaged_one_runs_and_knows_the_systems_certificates(tmp_path: Path) -> None:
    found = find_java(tmp_path, {"PATH": ""})

    shown = subprocess.run(
        [found / "bin" / "java", "--add-modules=jdk.incubator.vector", "-XshowSettings:properties", "-version"],
        capture_output=True,
        text=True,
        check=True,
    ).stderr
    assert java_version(found / "bin" / "java") == 17
    assert f"javax.net.ssl.trustStore = {tmp_path}/java/trust.p12" in shown
