"""P1 on Kafka: broker, server and sink die at random under load; what was acknowledged is in raw, and staged once."""

import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from random import Random

import pytest

from ingestion.lake.catalog import open_catalog
from ingestion.settings import Settings
from ingestion.stack import Server as Part
from tests.integration.bus.working import fresh_topics, kill_broker, on_kafka
from tests.support.capturing import Senders
from tests.support.lake import Lake
from tests.support.torture import torture


def _torture(settings: Settings, broker: Part, folder: Path, deaths: Iterable[str], seed: int) -> Senders:
    fresh_topics(broker)
    chance = Random(seed)

    def broker_dies() -> None:
        kill_broker(broker)
        time.sleep(chance.uniform(0, 1))
        broker.up()

    return torture(settings, folder, deaths, seed, {"broker": broker_dies}, **on_kafka(broker))


def _assert_all_in_raw(settings: Settings, senders: Senders) -> None:
    catalog = open_catalog(settings)
    columns = ("id", "_event_id", "_webhook_id")
    rows = catalog.load_table("raw.shopify_orders").scan(selected_fields=columns).to_arrow().to_pylist()
    catalog.close()
    events = {(row["id"], row["_event_id"]) for row in rows}
    assert {row["id"] for row in rows} == {str(order) for order in senders.outcomes}
    assert len(events) == len(senders.outcomes), "an order under two ids"
    more = Counter(row["id"] for row in rows)
    assert sum(more.values()) - len(more) <= len(more) // 2, "nearly everything came twice"


def test_what_is_acknowledged_is_in_raw_whoever_dies(settings: Settings, broker: Part, tmp_path: Path) -> None:
    senders = _torture(settings, broker, tmp_path, ["server", "broker", "sink"], seed=1)

    assert len(senders.outcomes) > 50
    _assert_all_in_raw(settings, senders)


@pytest.mark.spark
@pytest.mark.stress
@pytest.mark.timeout(3600)
def test_over_many_deaths_all_is_in_raw_and_staged_once(settings: Settings, broker: Part, tmp_path: Path) -> None:
    chance = Random(2)
    deaths = [chance.choice(["sink", "server", "broker"]) for _ in range(40)]

    senders = _torture(settings, broker, tmp_path, deaths, seed=2)

    _assert_all_in_raw(settings, senders)
    lake = Lake(settings)
    lake.dbt("seed", "--select", "currencies")
    lake.dbt("run", "--select", "stg_shopify_orders")
    staged = Counter(row["order_id"] for row in lake.rows("staging.stg_shopify_orders"))
    assert staged == Counter(str(order) for order in senders.outcomes)
