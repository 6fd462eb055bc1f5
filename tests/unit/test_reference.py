"""The reference pages say what the code says: run `make docs` after changing an option, setting, metric or table."""

from pathlib import Path

import pytest

from ingestion.build.dbt import Dbt
from ingestion.build.reference import FOLDER, pages
from ingestion.settings import Settings


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return pages(Dbt(Settings(home=tmp_path_factory.mktemp("home"))).manifest)


@pytest.mark.parametrize("name", ["cli.md", "settings.md", "metrics.md", "tables.md", "errors.md"])
def test_a_page_says_what_the_code_says(written: dict[str, str], name: str) -> None:
    assert (FOLDER / name).read_text(encoding="utf-8") == written[name]


def test_every_command_and_option_has_its_words(written: dict[str, str]) -> None:
    wordless = [line for line in written["cli.md"].splitlines() if line.endswith("|  |")]

    assert wordless == []


def test_every_page_is_linked_from_the_readme() -> None:
    readme = (Path(FOLDER).parent.parent / "README.md").read_text(encoding="utf-8")

    assert "docs/reference/" in readme
