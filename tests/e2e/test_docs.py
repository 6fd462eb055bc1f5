"""The documentation site: written for whatever the lake holds, even nothing yet."""

from pathlib import Path

import pytest

from ingestion.build.docs import generate_site
from ingestion.settings import Settings
from tests.support.lake import Lake

pytestmark = pytest.mark.spark


def test_the_site_is_written_before_anything_is_built(tmp_path: Path) -> None:
    lake = Lake(Settings(home=tmp_path / "home"))

    page = generate_site(lake.settings)

    assert "customer_360" in page.read_text(encoding="utf-8")
    assert lake.tables() == []
