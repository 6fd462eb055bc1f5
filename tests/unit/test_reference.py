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


@pytest.mark.parametrize("name", ["cli.md", "settings.md", "metrics.md", "tables.md", "errors.md"])
def test_a_page_says_what_the_code_says(written: dict[str, str], name: str) -> None:
    assert (FOLDER / name).read_text(encoding="utf-8") == written[name]


@pytest.mark.parametrize("name", ["cli.md", "settings.md", "metrics.md"])
def test_every_line_has_its_words(written: dict[str, str], name: str) -> None:
    assert [line for line in written[name].splitlines() if line.endswith("|  |")] == []


def test_every_variable_that_users_are_told_to_set_is_described(written: dict[str, str]) -> None:
    told = set(re.findall(r"\bFRAZIL_[A-Z_]+\b", (PROJECT_ROOT / ".env.example").read_text(encoding="utf-8")))
    for file in ("profiles/profiles.yml", "config/kafka_clusters.yaml"):
        told |= set(re.findall(r"\bFRAZIL_[A-Z_]+\b", (PROJECT_ROOT / file).read_text(encoding="utf-8")))

    assert {name for name in told if f"| `{name}` |" not in written["settings.md"]} == set()


def test_every_page_is_linked_from_the_readme() -> None:
    readme = (Path(FOLDER).parent.parent / "README.md").read_text(encoding="utf-8")

    assert "docs/reference/" in readme
