"""A staging model that has gained a column: the stored table gets it at the next build, without being built anew."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.integration.bulk_staging.test_order_of_copies import Worlds
from tests.integration.bulk_staging.worlds import Row, World, position

pytestmark = pytest.mark.spark


def test_old_rows_have_null_in_it_until_they_change(project: Path, tmp_path: Path) -> None:
    when = datetime(2026, 1, 6, tzinfo=UTC)
    first = Row(0, 1, "nilas", "c", "cdc", f"{position(1)}.0000000001", when, "sink-0", "log:1")
    other = first._replace(key=2, event_id="log:2")
    change = first._replace(batch=1, value="brash", op="u", position=f"{position(2)}.0000000001", event_id="log:3")
    worlds = Worlds([World((), (first, other, change))], set(), project, tmp_path / "lake")
    worlds.land(0)
    worlds.build()
    model = project / "models" / "staging" / "world" / "stg_world_t0.sql"
    model.write_text(model.read_text().replace("    ice,\n", "    ice,\n    upper(ice) as loud_ice,\n"))

    worlds.land(1)
    worlds.build()

    rows = worlds.lake.rows("staging.stg_world_t0")
    assert {row["t0_id"]: (row["ice"], row["loud_ice"]) for row in rows} == {
        "1": ("brash", "BRASH"),
        "2": ("nilas", None),
    }
