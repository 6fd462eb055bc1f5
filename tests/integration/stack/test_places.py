"""Folders a server cannot use, and programs that are not what the lock says."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from ingestion.errors import PermanentError, UsageError
from ingestion.runtime.jars import ensure_jars
from ingestion.runtime.java import find_java
from ingestion.settings import Settings
from ingestion.stack import Places, Server
from ingestion.stack.artifacts import STACK_LOCK, ensure_programs
from ingestion.stack.javac import compile_jar
from ingestion.stack.part import part_by_name
from tests.support.databases import installed_places

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root's servers run as somebody else")
not_root = pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")


def test_a_file_in_the_place_of_the_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    places = Places.of(Settings(home=tmp_path, stack_dir=tmp_path / "file" / "stack"))

    with pytest.raises(UsageError, match=r"file/stack.* cannot be made .*FRAZIL_STACK_DIR"):
        Server("postgres", places).up()


@not_root
def test_a_folder_that_may_not_be_written_is_named(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)

    with pytest.raises(UsageError, match=r"closed.*FRAZIL_STACK_DIR"):
        Server("postgres", Places.of(Settings(home=tmp_path, stack_dir=closed))).up()


@as_root
def test_a_set_folder_that_nobody_may_enter_is_refused_by_name(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    closed_by = next(path for path in (*reversed(closed.parents), closed) if not path.stat().st_mode & 0o001)
    places = Places.of(Settings(home=tmp_path, stack_dir=closed / "stack"))

    with pytest.raises(UsageError, match=rf"^{closed_by} cannot be entered by `nobody`.*FRAZIL_STACK_DIR"):
        Server("postgres", places).up()


@as_root
def test_root_with_a_closed_home_gets_a_folder_that_servers_can_enter(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    places = Places.of(Settings(home=home))

    assert places.artifacts == home / "stack" / "artifacts"
    assert not places.state.is_relative_to(home)
    assert places == Places.of(Settings(home=home))
    assert places.state != Places.of(Settings(home=tmp_path / "other")).state
    server = Server("postgres", replace(places, programs=installed_places().programs))
    try:
        assert server.up().port
    finally:
        server.remove()
        shutil.rmtree(places.state)


@as_root
def test_a_folder_of_somebody_else_is_not_used(state: Path) -> None:
    os.chown(state, 65534, 65534)

    with pytest.raises(PermanentError, match="belongs to another user"):
        Server("postgres", replace(installed_places(), state=state)).up()


def test_unpacked_programs_need_neither_artifacts_nor_network(tmp_path: Path) -> None:
    said: list[str] = []
    places = replace(installed_places(), artifacts=tmp_path / "none")

    folder = ensure_programs(part_by_name("postgres"), places, said.append)

    assert (folder / "bin" / "postgres").is_file()
    assert said == []


def test_an_artifact_that_differs_from_the_lock_is_never_unpacked(tmp_path: Path) -> None:
    installed = installed_places().artifacts / "postgres"
    places = Places(tmp_path / "stack" / "artifacts", tmp_path / "programs", tmp_path)
    places.programs.mkdir()
    shutil.copytree(installed, places.artifacts / "postgres")
    broken = next((places.artifacts / "postgres").iterdir())
    broken.write_bytes(broken.read_bytes()[:-1])

    with pytest.raises(PermanentError, match=rf"{broken.name}: sha256 is .*, the lock says .*; delete it"):
        ensure_programs(part_by_name("postgres"), places, lambda words: None)

    assert list(places.programs.iterdir()) == []


def test_programs_whose_unpacking_was_cut_short_are_not_taken_for_whole(tmp_path: Path) -> None:
    places = Places(installed_places().artifacts, tmp_path / "programs", tmp_path)
    torn = places.programs / ".postgres-torn" / "bin"
    torn.mkdir(parents=True)

    folder = ensure_programs(part_by_name("postgres"), places, lambda words: None)

    assert (folder / "bin" / "initdb").stat().st_mode & 0o755 == 0o755
    assert (folder / "share" / "postgresql" / "postgres.bki").stat().st_mode & 0o044 == 0o044


def test_java_that_cannot_be_compiled_is_told_with_the_reason(tmp_path: Path) -> None:
    places = installed_places()
    java = find_java(places.artifacts.parent.parent)
    jars = ensure_jars("connect", places.artifacts, java, STACK_LOCK)
    (compiler,) = (path for path in jars if path.name.startswith("ecj-"))

    with pytest.raises(PermanentError, match=r"was not compiled: (.|\n)*SchemaBuilder cannot be resolved"):
        compile_jar(tmp_path / "made.jar", compiler, [], java)

    assert not (tmp_path / "made.jar").exists()


def test_an_unknown_part_is_refused_with_the_ones_there_are() -> None:
    with pytest.raises(UsageError, match="no part 'oracle' in the stack; there are: connect, kafka, mariadb, postgres"):
        part_by_name("oracle")
