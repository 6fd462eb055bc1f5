"""`frazil webhooks send` as a command: what it says to programs and to people, and how it ends."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingestion.settings import PROJECT_ROOT
from tests.support.terminal import on_a_terminal
from tests.support.webhook_server import (
    FRAZIL,
    PUBLIC_URL,
    Server,
    accounting_problems,
    running_server,
    secrets_for,
)


@pytest.fixture(scope="module")
def receiver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that has been sent nothing yet."""
    with running_server(tmp_path_factory.mktemp("receiver") / "home") as running:
        yield running


def environment(server: Server) -> dict[str, str]:
    own = {"FRAZIL_HOME": str(server.home), "FRAZIL_PUBLIC_BASE_URL": PUBLIC_URL}
    return {**os.environ, **secrets_for(), **own}


def send(server: Server, *words: str) -> "subprocess.CompletedProcess[str]":
    command = [FRAZIL, "webhooks", "send", "--url", server.url, *words]
    return subprocess.run(
        command, env=environment(server), cwd=PROJECT_ROOT, capture_output=True, text=True, check=False
    )


def test_a_program_gets_one_document_and_the_server_has_got_what_it_says(receiver: Server) -> None:
    done = send(receiver, "--seed", "1", "--requests", "300", "--json")

    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["requests"], told["agrees"]) == (300, True)
    counts = receiver.counts()
    assert sum(number for labels, number in counts.items() if len(labels) == 1) == 300 + told["sent_again"]
    assert not accounting_problems(counts)


def test_what_was_sent_before_is_told_as_such_and_exits_3(receiver: Server) -> None:
    send(receiver, "--seed", "3", "--requests", "200")

    again = send(receiver, "--seed", "3", "--requests", "200")

    assert again.returncode == 3
    assert "seed 3 was sent to it before" in again.stderr


def test_wrong_use_exits_2(receiver: Server) -> None:
    done = send(receiver, "--sources", "nobody")

    assert (done.returncode, done.stdout) == (2, "")


def test_a_person_sees_how_far_it_is_and_a_table(receiver: Server) -> None:
    words = [FRAZIL, "webhooks", "send", "--url", receiver.url, "--seed", "2", "--requests", "300"]

    code, text = on_a_terminal(words, environment(receiver), Path(PROJECT_ROOT))

    assert code == 0, text
    assert "sending" in text
    assert "300 requests in " in text
    assert "shopify" in text
