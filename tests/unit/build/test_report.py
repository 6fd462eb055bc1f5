"""What `frazil run` says of a build that is not good: what failed, what was skipped because of it, what to do."""

import json

import pytest

from ingestion.build.dbt import NodeResult
from ingestion.build.runner import BuildReport
from ingestion.build.selection import Selection
from ingestion.cli.run import _print_report, _raise_failures
from ingestion.errors import ContractError, PermanentError
from ingestion.lake.batch import Counts

GOOD = NodeResult("model.frazil.stg_orders", "success", 1, "OK", "")
FAILED_TEST = NodeResult("test.frazil.unique_stg_orders.a1", "fail", 1, "Got 3 results", "")
SKIPPED = NodeResult("model.frazil.sales", "skipped", 0, "", "")
SKIPPED_TESTS = [NodeResult(f"test.frazil.not_null_sales.{number}", "skipped", 0, "", "") for number in range(4)]
FAILED_MODEL = NodeResult("model.frazil.days", "error", 1, "no such column", "")


def report_of(*results: NodeResult) -> BuildReport:
    nodes = [one.unique_id for one in results if not one.is_test]
    chosen = Selection(nodes, reasons=dict.fromkeys(nodes, "not built yet"))
    return BuildReport(chosen, list(results), tables={node: node for node in nodes})


AFTER_A_FAILED_TEST = report_of(GOOD, FAILED_TEST, SKIPPED, *SKIPPED_TESTS)


def test_a_skipped_test_has_not_failed_and_its_build_is_not_good() -> None:
    after_a_failed_model = report_of(GOOD, FAILED_MODEL, SKIPPED, *SKIPPED_TESTS)

    assert AFTER_A_FAILED_TEST.failed_tests == [FAILED_TEST]
    assert AFTER_A_FAILED_TEST.skipped_nodes == [SKIPPED]
    assert AFTER_A_FAILED_TEST.skipped_tests == SKIPPED_TESTS
    assert after_a_failed_model.failed_tests == []
    assert after_a_failed_model.not_good == [FAILED_MODEL, SKIPPED, *SKIPPED_TESTS]
    assert report_of(GOOD).not_good == []


def test_failed_and_skipped_are_told_apart(capsys: pytest.CaptureFixture[str]) -> None:
    _print_report({}, AFTER_A_FAILED_TEST, as_json=False, quiet=False)

    said = capsys.readouterr()
    assert "5 tests, 1 failed, 4 skipped" in said.out
    assert said.err.splitlines() == [
        "FAILED test.frazil.unique_stg_orders.a1: Got 3 results",
        "SKIPPED because of that, not built: sales",
    ]


def test_the_json_document_tells_failed_and_skipped_apart(capsys: pytest.CaptureFixture[str]) -> None:
    _print_report({}, AFTER_A_FAILED_TEST, as_json=True, quiet=False)

    told = json.loads(capsys.readouterr().out)
    assert told["tests"] == 5
    assert told["failures"] == [{"node": FAILED_TEST.unique_id, "message": "Got 3 results"}]
    assert told["skipped"] == [SKIPPED.unique_id, *(one.unique_id for one in SKIPPED_TESTS)]


def test_a_failed_test_breaks_the_contract_and_a_failed_model_the_run() -> None:
    with pytest.raises(ContractError, match=r"^failed: 1 test; skipped because of that: 1 model, 4 tests; the rest"):
        _raise_failures(AFTER_A_FAILED_TEST, Counts())
    with pytest.raises(PermanentError, match=r"^failed: 1 model, 1 test; the rest is built\. Mend") as failed:
        _raise_failures(report_of(GOOD, FAILED_MODEL, FAILED_TEST), Counts())

    assert not isinstance(failed.value, ContractError)
