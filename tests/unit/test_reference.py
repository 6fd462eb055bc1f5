"""The reference pages say what the code says: run `make docs` after changing an option, setting, metric or table."""

import re
from pathlib import Path

import pytest

from ingestion.build.dbt import Dbt
from ingestion.build.reference import FOLDER, pages
from ingestion.settings import PROJECT_ROOT, Settings


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return pages(Dbt(Settings(home=tmp_path_factory.mktemp("home"))).manifest)


@pytest.mark.parametrize("name", ["cli.md", "settings.md", "metrics.md", "tables.md", "errors.md", "answers.md"])
def test_a_page_says_what_the_code_says(written: dict[str, str], name: str) -> None:
    assert (FOLDER / name).read_text(encoding="utf-8") == written[name]


@pytest.mark.parametrize("name", ["cli.md", "settings.md", "metrics.md", "answers.md"])
def test_every_line_has_its_words(written: dict[str, str], name: str) -> None:
    assert [line for line in written[name].splitlines() if line.endswith("|  |")] == []


def test_every_variable_that_users_are_told_to_set_is_described(written: dict[str, str]) -> None:
    told = set(re.findall(r"\bFRAZIL_[A-Z_]+\b", (PROJECT_ROOT / ".env.example").read_text(encoding="utf-8")))
    for file in ("profiles/profiles.yml", "config/kafka_clusters.yaml"):
        told |= set(re.findall(r"\bFRAZIL_[A-Z_]+\b", (PROJECT_ROOT / file).read_text(encoding="utf-8")))

    assert {name for name in told if f"| `{name}` |" not in written["settings.md"]} == set()


def test_no_answer_and_no_reason_is_made_beside_the_listed_ones() -> None:
    """A bare word is no `Reason` to mypy, so what is not listed must be made of one where this test sees it."""
    made = re.compile(r"""HTTP/1\.1 (?!100 )[\d{]|\bReason\(""")
    code = PROJECT_ROOT / "ingestion"
    found = {path.relative_to(code).as_posix() for path in code.rglob("*.py") if made.search(path.read_text("utf-8"))}

    words_of_a_sources_file = "webhooks/routing.py"
    assert found == {"reasons.py", "webhooks/answers.py", words_of_a_sources_file}


def test_every_reason_and_status_that_a_sender_can_meet_is_listed(written: dict[str, str]) -> None:
    words = ("delete_with_content", "thin_event", "unknown_topic", "bad_value", "signature", "split_failed")
    statuses = (200, 400, 401, 404, 405, 408, 413, 415, 429, 431, 503)

    assert [word for word in words if f"\n| `{word}` | " not in written["answers.md"]] == []
    assert [status for status in statuses if f"\n| {status} | " not in written["answers.md"]] == []


def test_every_page_is_linked_from_the_readme() -> None:
    readme = (Path(FOLDER).parent.parent / "README.md").read_text(encoding="utf-8")

    assert "docs/reference/" in readme
