"""`frazil stack` as it is typed."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from ingestion.bulk.sources import database
from ingestion.settings import PROJECT_ROOT
from ingestion.stack import part_names
from tests.support.databases import installed_places

FRAZIL = str(Path(sys.executable).with_name("frazil"))


class Stack:
    """The command with a state of its own and the set-up's programs."""

    def __init__(self, home: Path, state: Path) -> None:
        self.home = home
        self.environment = {**os.environ, "FRAZIL_HOME": str(home), "FRAZIL_STACK_DIR": str(state)}

    def run(self, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        environment = {**self.environment, **variables}
        return subprocess.run(
            [FRAZIL, "stack", *words], capture_output=True, text=True, env=environment, check=False, timeout=120
        )

    def json(self, *words: str) -> Any:
        done = self.run(*words, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


@pytest.fixture
def stack(home: Path, state: Path) -> Stack:
    installed = installed_places()
    (state / "programs").symlink_to(installed.programs)
    (home / "stack").mkdir()
    (home / "stack" / "artifacts").symlink_to(installed.artifacts)
    return Stack(home, state)


def states(rows: list[Mapping[str, Any]]) -> dict[str, str]:
    return {row["part"]: row["state"] for row in rows}


def test_up_write_status_and_down(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    assert states(stack.json("status")) == dict.fromkeys(part_names(), "absent")

    first = stack.run("up", "--scale", "0.002", "--json")
    again = stack.json("up")
    written = stack.json("write", "mariadb", "--seconds", "1", "--writers", "2")
    for name in ("POSTGRES", "MARIADB"):
        monkeypatch.delenv(f"SHOP_{name}_PORT", raising=False)
    found = {name: database(PROJECT_ROOT / "config", name) for name in ("shop", "shopmaria")}
    variables = stack.json("env")
    ended = stack.json("down")

    assert variables["FRAZIL_KAFKA_BOOTSTRAP"].startswith("127.0.0.1:")
    rows = {row["part"]: row for row in json.loads(first.stdout)}
    assert states(json.loads(first.stdout)) == dict.fromkeys(part_names(), "running")
    assert json.loads(first.stdout) == again
    assert '"event": "generating shop"' in first.stderr
    assert written["committed"] > 0
    assert found["shop"].port == rows["postgres"]["port"] == int(variables["SHOP_POSTGRES_PORT"])
    assert found["shopmaria"].port == rows["mariadb"]["port"] == int(variables["SHOP_MARIADB_PORT"])
    assert found["shop"].password.get_secret_value() == variables["SHOP_POSTGRES_PASSWORD"]
    assert variables["SHOP_POSTGRES_PASSWORD"] not in first.stdout + first.stderr
    assert states(ended) == dict.fromkeys(part_names(), "stopped")
    for path in (stack.home / "stack").glob("*.env"):
        assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("up", "oracle"), "no part 'oracle' in the stack; there are: connect, kafka, mariadb, postgres"),
        (("write", "postgres"), "postgres is not running; run `frazil stack up postgres`"),
        (("env", "postgres"), "postgres is not running; run `frazil stack up postgres`"),
        (("down", "--remove"), "name the parts"),
        (("up", "postgres", "--no-shop", "--scale", "1"), "--no-shop goes without --scale and --seed"),
        (("up", "postgres", "--scale", "0"), "Invalid value for '--scale'"),
        (("write", "postgres", "--writers", "0"), "Invalid value for '--writers'"),
    ],
)
def test_wrong_use_is_one_clear_line(stack: Stack, words: tuple[str, ...], message: str) -> None:
    done = stack.run(*words)

    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_a_fixed_port_of_an_unknown_part_is_refused(stack: Stack) -> None:
    done = stack.run("status", FRAZIL_STACK_PORTS='{"postgresql": 5432}')

    assert done.returncode == 2
    assert "FRAZIL_STACK_PORTS names postgresql; the parts are connect, kafka, mariadb, postgres" in done.stderr
