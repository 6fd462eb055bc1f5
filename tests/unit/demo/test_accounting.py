"""The demo's accounting: it must notice each kind of loss, and the demo must not empty a stranger's folder."""

from collections import Counter
from pathlib import Path

import pytest

from ingestion.demo.accounting import balance
from ingestion.demo.run import empty
from ingestion.errors import UsageError
from ingestion.webhooks.sender import SendReport

EXPECTED = {"accepted": 90, "repeated": 4, "quarantined": 3, "refused": 3}


def report() -> SendReport:
    expected = Counter({("stripe", outcome): count for outcome, count in EXPECTED.items()})
    return SendReport(expected=expected, rows=Counter(stripe=90), rejects=Counter(stripe=3))


def counted(**changes: int) -> Counter[tuple[str, str]]:
    return Counter({("stripe", outcome): count for outcome, count in (EXPECTED | changes).items()})


def test_what_agrees_balances() -> None:
    account = balance("stripe", report(), received=100, outcomes=counted(), raw_rows=90, quarantine_rows=3)

    assert account.balances
    assert (
        account.sent == account.received == account.accepted + account.repeated + account.quarantined + account.refused
    )


@pytest.mark.parametrize(
    ("received", "outcomes", "raw_rows", "quarantine_rows"),
    [
        (99, counted(), 90, 3),
        (100, counted(accepted=89), 90, 3),
        (100, counted(accepted=89, repeated=5), 90, 3),
        (100, counted(accepted=91, refused=2), 90, 3),
        (100, counted(), 89, 3),
        (100, counted(), 91, 3),
        (100, counted(), 90, 2),
    ],
)
def test_each_kind_of_loss_is_named(
    received: int, outcomes: Counter[tuple[str, str]], raw_rows: int, quarantine_rows: int
) -> None:
    account = balance("stripe", report(), received, outcomes, raw_rows, quarantine_rows)

    assert not account.balances
    assert all(problem for problem in account.problems)
    assert account.as_row()["balances"] == "NO"


def test_only_a_folder_that_a_demo_made_is_emptied(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")

    with pytest.raises(UsageError, match="no demo made it"):
        empty(tmp_path)

    assert (tmp_path / "thesis.txt").exists()


def test_a_new_or_empty_folder_can_be_used(tmp_path: Path) -> None:
    empty(tmp_path / "new")
    empty(tmp_path)
