"""The figures of `frazil status`: what waits, who is behind, what failed; the screen and the metrics show the same."""

import json
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from prometheus_client.parser import text_string_to_metric_families
from pyiceberg.catalog import Catalog

from ingestion.build.dbt import NodeResult
from ingestion.build.history import PastBuild, last_builds, past_build, remember
from ingestion.build.state import Built, save_state
from ingestion.lake.sink import drain
from ingestion.lake.status import WATERMARKS
from ingestion.overview import screen
from ingestion.overview.figures import Rows, behind, figures
from ingestion.overview.metrics import METRICS, registry, values_of, write_textfile
from ingestion.overview.slots import with_slots
from ingestion.settings import PROJECT_ROOT, Settings
from tests.unit.lake.deliveries import broken, journalled, order
from tests.unit.lake.test_sink_commands import frazil

RAW = "raw.shopify_orders"
MARKS = pa.schema(
    [
        pa.field("source_table", pa.string()),
        pa.field("pipeline_name", pa.string()),
        pa.field("last_sync_timestamp", pa.timestamp("us", tz="UTC")),
        pa.field("records_processed", pa.int64()),
        pa.field("updated_at", pa.timestamp("us", tz="UTC")),
    ]
)


def read_until(catalog: Catalog, moment: datetime) -> None:
    """A model's watermark as a build leaves it."""
    row = {"source_table": RAW, "pipeline_name": "stg_shopify_orders", "last_sync_timestamp": moment}
    table = catalog.create_table_if_not_exists(WATERMARKS, MARKS)
    table.overwrite(pa.Table.from_pylist([{**row, "updated_at": moment}], schema=MARKS))


def head_time(catalog: Catalog) -> datetime:
    snapshot = catalog.load_table(RAW).current_snapshot()
    assert snapshot is not None
    return datetime.fromtimestamp(snapshot.timestamp_ms / 1000, UTC)


@pytest.fixture
def lake(settings: Settings, catalog: Catalog) -> Catalog:
    """Two commits, of which the model has read the first; one broken event; one delivery that waits."""
    journalled(settings, [order(1), order(2), broken(3)])
    drain(settings)
    read_until(catalog, head_time(catalog))
    journalled(settings, [order(4)])
    drain(settings)
    journalled(settings, [order(5)])
    return catalog


def test_a_source_is_behind_since_the_oldest_commit_that_a_model_has_not_read(
    settings: Settings, lake: Catalog
) -> None:
    unread = head_time(lake)

    found = figures(settings, lake, unread + timedelta(seconds=90))

    (shopify,) = [row for row in found["sources"] if row["source"] == "shopify"]
    assert (shopify["kind"], shopify["rows"], shopify["quarantined"]) == ("webhook", 3, 1)
    assert shopify["behind_seconds"] == 90.0
    assert [row["waiting"] for row in found["journals"]] == [1]
    assert [row["pipeline_name"] for row in behind(found["watermarks"])] == ["stg_shopify_orders"]
    read_until(lake, unread)
    assert behind(figures(settings, lake)["watermarks"]) == []


def test_layers_add_up_their_tables(settings: Settings, lake: Catalog) -> None:
    found = figures(settings, lake)

    raw = next(row for row in found["layers"] if row["layer"] == "raw")
    (orders,) = [row for row in found["tables"] if row["table"] == RAW]
    assert (orders["files"], orders["small_files"], orders["delete_files"]) == (2, 2, 0)
    assert raw["rows"] == sum(row["rows"] for row in found["tables"] if row["table"].startswith("raw.")) == 3
    assert raw["bytes"] == orders["bytes"] > 0


def test_a_build_is_remembered_with_what_failed_and_broken_lines_hide_no_other(tmp_path: Path) -> None:
    began = datetime(2026, 3, 1, 12, tzinfo=UTC)
    results = [
        NodeResult("model.frazil.orders", "success", 1, "", ""),
        NodeResult("model.frazil.days", "error", 1, "", ""),
        NodeResult("model.frazil.mart", "skipped", 0, "", ""),
        NodeResult("test.frazil.unique_orders.abc", "fail", 1, "", ""),
    ]
    remember(tmp_path, past_build(began, began + timedelta(seconds=9), "airflow", results[:1]))
    with (tmp_path / "builds.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"cut in the mid\n')
    remember(tmp_path, past_build(began, began + timedelta(seconds=30), "frazil run", results))

    newest, first = last_builds(tmp_path, 5)

    assert newest == PastBuild(began, began + timedelta(seconds=30), "frazil run", 1, ["days"], ["unique_orders"])
    assert (first.by, first.failed) == ("airflow", [])


def test_the_metrics_are_the_figures(settings: Settings, lake: Catalog, tmp_path: Path) -> None:
    save_state(lake, {"model.frazil.days": Built("x", {}, is_good=False)})
    file = tmp_path / "frazil.prom"

    write_textfile(registry(lambda: with_slots(settings, figures(settings, lake))), file)

    families = {one.name: one for one in text_string_to_metric_families(file.read_text(encoding="utf-8"))}
    values = {
        (name, *(one.labels[label] for label in METRICS[name].labels)): one.value
        for name, family in families.items()
        for one in family.samples
    }
    assert set(families) == set(METRICS)
    assert values["frazil_lake_up",] == 1
    assert values["frazil_table_rows", RAW] == 3
    assert values["frazil_waiting_deliveries", "w0"] == 1
    assert values["frazil_quarantine_open", "shopify", "not_json"] == 1
    assert values["frazil_model_not_good", "model.frazil.days"] == values["frazil_models_not_good",] == 1
    assert values["frazil_model_behind_seconds", "stg_shopify_orders", RAW] > 0
    assert list(tmp_path.glob("frazil.prom.*")) == []


def test_models_that_no_build_has_brought_about_are_told_as_such(
    settings: Settings, lake: Catalog, capsys: pytest.CaptureFixture[str]
) -> None:
    before = figures(settings, lake)["never_built"]
    read_until(lake, head_time(lake))
    models = {path.stem for path in (PROJECT_ROOT / "models").rglob("*.sql")}
    built = models - {"customer_360", "sales_dashboard_daily"}
    save_state(lake, {f"model.frazil.{name}": Built("x", {}) for name in built})

    some = figures(settings, lake)
    screen.show(some, datetime.now(UTC))
    told = capsys.readouterr().out
    save_state(lake, {f"model.frazil.{name}": Built("x", {}) for name in models})
    screen.show(figures(settings, lake), datetime.now(UTC))

    assert before == []
    assert [row["model"] for row in some["never_built"]] == ["customer_360", "sales_dashboard_daily"]
    assert values_of({**some, "slots": []})["frazil_models_never_built"] == [((), 2.0)]
    assert "never built" in told
    assert "customer_360" in told
    assert "the models that are built have read all there is" in told
    assert "\nmodels have read all there is" in capsys.readouterr().out


def test_every_list_of_figures_is_told_as_metrics(settings: Settings, lake: Catalog) -> None:
    used = set()

    class Noted(dict[str, Rows]):
        def __getitem__(self, name: str) -> Rows:
            used.add(name)
            return super().__getitem__(name)

    found = figures(settings, lake)
    followed = {"table": "raw.shop_orders", "partition": 3, "silent_seconds": 12.5}
    slot = {"source": "shop", "is_active": False, "held_bytes": 7}
    lost = {"source": "gone", "is_active": None, "held_bytes": None}

    values = values_of(Noted({**found, "followed": [followed], "slots": [slot, lost]}))

    assert used == set(found) - {"layers"} | {"slots"}  # layers are sums of tables
    assert values["frazil_followed_silent_seconds"] == [(("raw.shop_orders", "3"), 12.5)]
    assert values["frazil_slot_up"] == [(("shop",), 1.0), (("gone",), 0.0)]
    assert values["frazil_slot_active"] == [(("shop",), 0.0)]
    assert values["frazil_slot_held_bytes"] == [(("shop",), 7.0)]


def test_a_lake_that_cannot_be_read_is_down_and_the_endpoint_goes_on(settings: Settings, tmp_path: Path) -> None:
    (settings.home_dir / "catalog.db").unlink(missing_ok=True)
    (settings.home_dir / "catalog.db").mkdir()

    file = tmp_path / "frazil.prom"
    done = frazil("status", "--metrics-file", str(file))

    assert done.exit_code == 0
    assert "frazil_lake_up 0.0" in file.read_text(encoding="utf-8")


def test_everything_fits_on_one_screen(
    settings: Settings, lake: Catalog, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    moment = datetime.now(UTC)
    for number in range(9):
        began = moment - timedelta(hours=number + 1)
        remember(settings.home_dir, PastBuild(began, began, "airflow", 3, ["a_model_of_a_long_name"] * 3, []))

    screen.show(figures(settings, lake), moment)

    lines = capsys.readouterr().out.splitlines()
    assert len(lines) <= 50
    assert max(map(len, lines)) <= 80
    text = "\n".join(lines)
    for word in ("shopify", "w0", "raw", "airflow", "and 1 more", "stg_shopify_orders", "not_json"):
        assert word in text


def test_however_much_waits_and_fails_it_is_one_screen_with_the_worst_first(
    settings: Settings, lake: Catalog, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    moment = datetime.now(UTC)
    save_state(lake, {f"model.frazil.model_{number}": Built("x", {}, is_good=False) for number in range(40)})
    for number in range(30):
        journalled(settings, [order(place) for place in range(number + 1)], worker=f"many{number}")
    found = figures(settings, lake, moment)
    reasons = [{"source": "shopify", "reason": f"reason_{number}", "open": number} for number in range(50)]

    screen.show({**found, "quarantine": reasons}, moment)

    text = capsys.readouterr().out
    assert len(text.splitlines()) <= 60
    for word in ("and 36 more", "and 27 more", "many29", "reason_49", "and 46 more"):
        assert word in text


def test_ages_and_sizes_are_rounded_down_for_people() -> None:
    assert [screen.age(one) for one in (None, 0.4, 59.9, 60, 7_199, 90_000)] == [
        "",
        "0 s",
        "59 s",
        "1 min",
        "1 h",
        "1 d",
    ]
    assert [screen.size(one) for one in (0, 999, 1_500, 25_000, 3_200_000_000)] == [
        "0 B",
        "999 B",
        "1.5 kB",
        "25 kB",
        "3.2 GB",
    ]


def test_the_json_document_has_all_figures(settings: Settings, lake: Catalog) -> None:
    found = json.loads(frazil("status", "--json").stdout)

    assert set(found) == {
        *("sources", "journals", "layers", "builds", "not_good", "never_built"),
        *("quarantine", "databases", "followed", "watermarks", "tables"),
    }


def test_the_endpoint_serves_what_prometheus_reads(settings: Settings, lake: Catalog) -> None:
    from prometheus_client import start_http_server

    server, thread = start_http_server(
        0, addr="127.0.0.1", registry=registry(lambda: with_slots(settings, figures(settings, lake)))
    )
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}/metrics", timeout=30) as answer:
            text = answer.read().decode()
    finally:
        server.shutdown()
        thread.join()

    assert f'frazil_table_rows{{table="{RAW}"}} 3.0' in text
