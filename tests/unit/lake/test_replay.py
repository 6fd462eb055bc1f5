"""The quarantine can be read, and what is readable today goes to raw under its first identity."""

from pathlib import Path

import pytest
import yaml
from pyiceberg.catalog import Catalog

from ingestion.errors import UsageError
from ingestion.lake.append import AppendTable
from ingestion.lake.quarantine import QUARANTINE
from ingestion.lake.replay import Selection, quarantined, replay, waiting
from ingestion.lake.sink import drain
from ingestion.settings import PROJECT_ROOT, Settings
from ingestion.webhooks.sources import SourceConfig, load_sources
from tests.unit.lake.deliveries import broken, column, contacts, journalled, order, sample

TODAY = PROJECT_ROOT / "config"


@pytest.fixture
def strict(settings: Settings, tmp_path: Path) -> Settings:
    """Settings under which an order's `note` and a contact's `extra` must be whole numbers, which they are not."""
    folder = tmp_path / "config" / "webhooks"
    folder.mkdir(parents=True)
    for name in ("shopify", "hubspot"):
        document = yaml.safe_load((TODAY / "webhooks" / f"{name}.yaml").read_text(encoding="utf-8"))
        item, path = ("orders", "note") if name == "shopify" else ("contacts", "extra")
        document["objects"][item]["columns"]["strict"] = {"path": path, "type": "long"}
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    return settings.model_copy(update={"config_dir": tmp_path / "config"})


@pytest.fixture
def today() -> dict[str, SourceConfig]:
    return load_sources(TODAY)


def test_listing_filters_and_shows_the_latest_state(
    strict: Settings, catalog: Catalog, today: dict[str, SourceConfig]
) -> None:
    journalled(strict, [order(1, note="text"), order(2, note="text"), broken(3), sample(4)])
    drain(strict)
    replay(catalog, strict.home_dir, today, Selection(reason="bad_value"))

    assert len(quarantined(catalog, Selection())) == 4
    assert {row["state"] for row in quarantined(catalog, Selection(reason="bad_value"))} == {"replayed"}
    assert [row["reason"] for row in quarantined(catalog, Selection(state="open", source="shopify"))] == [
        "signature",
        "not_json",
    ]
    assert waiting(catalog) == [
        {"source": "shopify", "reason": "not_json", "open": 1},
        {"source": "shopify", "reason": "signature", "open": 1},
    ]


def test_a_replayed_event_has_its_first_identity_and_time(
    strict: Settings, catalog: Catalog, today: dict[str, SourceConfig]
) -> None:
    journalled(strict, [order(1, note="text")])
    drain(strict)
    (row,) = quarantined(catalog, Selection())

    done = replay(catalog, strict.home_dir, today, Selection([row["quarantine_id"]]))

    (raw,) = catalog.load_table("raw.shopify_orders").scan().to_arrow().to_pylist()
    assert (done.selected, done.replayed, done.tables) == (1, 1, {"raw.shopify_orders": 1})
    assert raw["_event_id"] == row["_event_id"]
    assert raw["_received_at"] == row["received_at"]
    assert raw["_payload"].encode() == order(1, note="text").body


def test_an_element_of_a_batch_is_replayed_by_itself(
    strict: Settings, catalog: Catalog, today: dict[str, SourceConfig]
) -> None:
    journalled(strict, [contacts(1, good=2, bad=1)])
    drain(strict)

    done = replay(catalog, strict.home_dir, today, Selection(source="hubspot"))

    assert (done.selected, done.replayed, done.still_unreadable) == (3, 2, 1)
    assert len(column(catalog, "raw.hubspot_contacts", "_event_id")) == 2
    assert [row["reason"] for row in quarantined(catalog, Selection(state="open"))] == ["no_key"]


def test_a_replay_that_died_before_its_mark_adds_nothing_the_second_time(
    strict: Settings, catalog: Catalog, today: dict[str, SourceConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    journalled(strict, [order(1, note="text"), order(2, note="text")])
    drain(strict)
    whole = AppendTable.append

    def dying(self: AppendTable, *args: object) -> object:
        if self.name == QUARANTINE:
            raise SystemExit
        return whole(self, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(AppendTable, "append", dying)
    with pytest.raises(SystemExit):
        replay(catalog, strict.home_dir, today, Selection(source="shopify"))
    monkeypatch.undo()
    assert len(column(catalog, "raw.shopify_orders", "id")) == 2

    done = replay(catalog, strict.home_dir, today, Selection(source="shopify"))

    assert (done.replayed, done.tables) == (2, {})
    assert sorted(column(catalog, "raw.shopify_orders", "id")) == ["1", "2"]
    assert waiting(catalog) == []


def test_what_is_replayed_is_not_replayed_again(
    strict: Settings, catalog: Catalog, today: dict[str, SourceConfig]
) -> None:
    journalled(strict, [order(1, note="text")])
    drain(strict)
    replay(catalog, strict.home_dir, today, Selection(source="shopify"))

    again = replay(catalog, strict.home_dir, today, Selection(source="shopify"))

    assert again.selected == 0
    assert len(column(catalog, "raw.shopify_orders", "id")) == 1


def test_samples_of_wrong_signatures_are_never_replayed(
    settings: Settings, catalog: Catalog, today: dict[str, SourceConfig]
) -> None:
    journalled(settings, [sample(1), sample(2)])
    drain(settings)
    identity = quarantined(catalog, Selection())[0]["quarantine_id"]

    by_source = replay(catalog, settings.home_dir, today, Selection(source="shopify"))

    assert (by_source.selected, by_source.samples_left) == (0, 2)
    with pytest.raises(UsageError, match="never replayed"):
        replay(catalog, settings.home_dir, today, Selection([identity]))
    assert column(catalog, "raw.shopify_orders", "id") == []


def test_an_unknown_id_is_named(settings: Settings, catalog: Catalog, today: dict[str, SourceConfig]) -> None:
    drain(settings)

    with pytest.raises(UsageError, match="nobody"):
        replay(catalog, settings.home_dir, today, Selection(["nobody"]))
