"""`frazil webhooks`: what it lists, and what it says about wrong options."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from ingestion.cli.webhooks import command
from ingestion.errors import UsageError


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
