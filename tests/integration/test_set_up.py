"""The set-up of this checkout: made once, it is there without a network, and dbt's user finds everything below it."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ingestion.settings import PROJECT_ROOT
from tests.support.spark import link_jars

BIN = Path(sys.executable).parent  # the environment that `make setup` made
NO_NETWORK = ["unshare", "--map-root-user", "--net"]  # a network of its own with nothing in it, without being root


def run(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """A command in the repository's root as after `source .venv/bin/activate`, with a state folder of its own."""
    link_jars(home)
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("FRAZIL_", "DBT_", "MAKE"))
    }
    path = f"{BIN}{os.pathsep}{environment['PATH']}"
    environment |= {"PATH": path, "VIRTUAL_ENV": str(BIN.parent), "FRAZIL_HOME": str(home)}
    return subprocess.run(words, cwd=PROJECT_ROOT, env=environment, capture_output=True, text=True, timeout=300)


def has_networks_of_its_own() -> bool:
    if shutil.which("unshare") is None:
        return False
    return subprocess.run([*NO_NETWORK, "true"], capture_output=True).returncode == 0


@pytest.mark.skipif(not has_networks_of_its_own(), reason="this machine lets nobody but root make a network")
def test_a_second_set_up_needs_no_network(tmp_path: Path) -> None:
    done = run(tmp_path, *NO_NETWORK, "make", "setup")
    assert done.returncode == 0, done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["Java", "jars", "classes", "tables"]


def test_dbt_finds_project_and_profile_from_the_root(tmp_path: Path) -> None:
    words = ("--select", "marts", "--target-path", str(tmp_path / "target"), "--log-path", str(tmp_path / "logs"))
    done = run(tmp_path, "uv", "run", "dbt", "ls", "--resource-type", "model", *words)
    assert done.returncode == 0, done.stdout + done.stderr
    assert {"frazil.marts.customer_360", "frazil.marts.sales_dashboard_daily"} <= set(done.stdout.split())


def test_sqlfluff_reads_a_model_from_the_root(tmp_path: Path) -> None:
    done = run(tmp_path, "uv", "run", "sqlfluff", "lint", "models/marts/sales_dashboard_daily.sql")
    assert done.returncode == 0, done.stdout + done.stderr


def test_make_alone_tells_what_it_can_do(tmp_path: Path) -> None:
    done = run(tmp_path, "make")
    assert done.returncode == 0, done.stderr
    told = {line.split()[0] for line in done.stdout.splitlines() if line.strip()}
    assert {"setup", "demo", "test", "lint", "docs", "bench", "clean"} <= told


class Checkout:
    """A project's folder with nothing but its Makefile and settings; its `frazil` only tells the state folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "ingestion").mkdir(parents=True)
        shutil.copy(PROJECT_ROOT / "Makefile", root)
        for name in ("__init__.py", "settings.py"):
            shutil.copy(PROJECT_ROOT / "ingestion" / name, root / "ingestion")
        programs = root / ".venv" / "bin"
        programs.mkdir(parents=True)
        tells = "from ingestion.settings import Settings; print(Settings().home_dir)"
        for name, words in {"python": '"$@"', "frazil": f'-c "{tells}"'}.items():
            (programs / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {words}\n')
            (programs / name).chmod(0o755)

    def make(self, target: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """The environment is taken as made; without `variables` no setting is in the shell."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("FRAZIL_", "MAKE"))}
        words = ["make", "--assume-old", ".venv/.frazil-environment", target]
        own = environment | {"PYTHONPATH": str(self.root)} | variables
        return subprocess.run(words, cwd=self.root, env=own, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize(
    ("told", "variables", "home"),
    [
        ("", {}, ".frazil"),
        ("FRAZIL_HOME=\n", {}, ".frazil"),
        ("FRAZIL_HOME=state\n", {}, "state"),
        ("FRAZIL_HOME='the state'  # of this machine\n", {}, "the state"),
        ("FRAZIL_HOME=state\n", {"FRAZIL_HOME": "shell"}, "shell"),
        ("FRAZIL_HOME=state\n", {"FRAZIL_HOME": ""}, "state"),
    ],
)
def test_make_takes_the_state_folder_from_where_each_command_takes_it(
    tmp_path: Path, told: str, variables: dict[str, str], home: str
) -> None:
    checkout = Checkout(tmp_path / "checkout")
    (checkout.root / ".env").write_text(told)
    (checkout.root / home).mkdir()

    done = checkout.make("setup", **variables)
    assert done.stdout.splitlines() == [str(checkout.root / home)], done.stderr

    assert checkout.make("clean", **variables).returncode == 0
    assert sorted(path.name for path in checkout.root.iterdir()) == [".env", "Makefile", "ingestion"]


@pytest.mark.parametrize("home", [".", "..", "../state"])
def test_a_state_folder_outside_of_the_project_is_not_cleaned_away(tmp_path: Path, home: str) -> None:
    checkout = Checkout(tmp_path / "checkout")
    (checkout.root / ".env").write_text(f"FRAZIL_HOME={home}\n")
    state = (checkout.root / home).resolve()
    state.mkdir(exist_ok=True)

    done = checkout.make("clean")

    assert done.returncode == 0
    assert done.stdout == f"left: {state}\n"
    assert state.is_dir()
    assert (checkout.root / "Makefile").exists()
    assert not (checkout.root / ".venv").exists()


def test_every_locked_package_has_its_hashes_and_no_address(tmp_path: Path) -> None:
    locks = sorted((PROJECT_ROOT / "requirements").glob("*.lock"))
    assert locks
    for lock in locks:
        text = lock.read_text(encoding="utf-8")
        assert "://" not in text, lock.name
        for package in re.findall(r"^[a-z0-9._-]+(?:\[[a-z0-9,-]+\])?==.*?(?=^\S|\Z)", text, re.MULTILINE | re.DOTALL):
            assert "--hash=sha256:" in package, package
