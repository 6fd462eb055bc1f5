"""`frazil webhooks`: what it lists, and what it says about wrong options."""

import json
import socket
from pathlib import Path

import pytest
from click.testing import CliRunner

from ingestion.cli import cli
from ingestion.cli.webhooks import command
from ingestion.errors import PermanentError, RetryableError, UsageError
from ingestion.settings import PROJECT_ROOT
from ingestion.webhooks.server import Address, listen


@pytest.fixture
def runner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    monkeypatch.setenv("FRAZIL_HOME", str(tmp_path))
    monkeypatch.setenv("STRIPE_WEBHOOK_SECRET", "whsec_one,whsec_two")
    return CliRunner()


def test_list_names_each_source_with_its_tables_and_never_a_secret(runner: CliRunner) -> None:
    result = runner.invoke(command, ["list", "--json"])

    rows = {row["source"]: row for row in json.loads(result.output)}
    assert rows["stripe"]["secrets"] == 2
    assert rows["stripe"]["path"] == "/webhooks/stripe"
    assert "raw.stripe_payment_intents" in rows["stripe"]["tables"]
    assert "whsec" not in result.output + runner.invoke(command, ["list"]).output


def test_every_verb_is_shown(runner: CliRunner) -> None:
    output = runner.invoke(command, ["--help"]).output

    assert all(f"  {verb} " in output for verb in ("serve", "send", "list"))


def test_tls_needs_both_files(runner: CliRunner, tmp_path: Path) -> None:
    (tmp_path / "certificate.pem").write_text("")

    result = runner.invoke(command, ["serve", "--certificate", str(tmp_path / "certificate.pem")])

    assert isinstance(result.exception, UsageError)


def test_a_source_that_reads_a_value_twice_is_named_before_the_server_starts(
    runner: CliRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    acme = (PROJECT_ROOT / "config" / "webhooks" / "acme.yaml").read_text(encoding="utf-8")
    (tmp_path / "webhooks").mkdir()
    (tmp_path / "webhooks" / "acme.yaml").write_text(acme.replace("subject: string", "requester: json"))
    monkeypatch.setenv("FRAZIL_CONFIG_DIR", str(tmp_path))

    refused = runner.invoke(command, ["serve", "--port", "0"]).exception

    assert isinstance(refused, UsageError)
    assert "acme.yaml: path data.requester.email: it is read as a whole and in parts" in str(refused)


@pytest.mark.parametrize("host", ["fe80::1%nowhere", "x" * 64])
def test_a_host_that_is_none_is_wrong_use(host: str) -> None:
    with pytest.raises(UsageError, match=r"--host .*give a name or address of this machine"):
        listen(Address(host, 0))


def test_an_address_that_the_machine_does_not_have_now_may_come() -> None:
    with pytest.raises(RetryableError, match=r"--host 192\.0\.2\.1: .*give an address that this machine has"):
        listen(Address("192.0.2.1", 0))


def test_a_port_that_is_taken_may_become_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]

        with pytest.raises(RetryableError, match=f"127.0.0.1:{port}: .*free it, or give --port"):
            listen(Address("127.0.0.1", port))


@pytest.mark.parametrize("below", ["", "folder"])
def test_a_home_that_can_be_no_folder_is_wrong_use(
    runner: CliRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, below: str
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("FRAZIL_HOME", str(tmp_path / "file" / below))

    for words in (["webhooks", "serve", "--port", "0"], ["query", "select 1"], ["sink", "run", "--once"]):
        refused = runner.invoke(cli, words).exception
        assert isinstance(refused, UsageError), words
        assert "Not a directory; set FRAZIL_HOME to a folder" in str(refused)


@pytest.mark.parametrize("name", ["c#", "what?", "100%25"])
def test_a_home_that_no_address_can_name_is_wrong_use(
    runner: CliRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("FRAZIL_HOME", str(tmp_path / name / "home"))

    refused = runner.invoke(cli, ["sink", "run", "--once"]).exception

    assert isinstance(refused, UsageError)
    assert "set FRAZIL_HOME to another" in str(refused)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("words", [("query", "select 1"), ("sink", "run", "--once"), ("status",), ("run",)])
def test_a_catalog_that_is_no_database_is_told_as_damaged(
    runner: CliRunner, tmp_path: Path, words: tuple[str, ...]
) -> None:
    (tmp_path / "catalog.db").write_text("no catalog at all" * 100)

    refused = runner.invoke(cli, words).exception

    assert type(refused) is PermanentError
    assert "catalog.db is damaged (file is not a database); stop what uses it" in str(refused)
