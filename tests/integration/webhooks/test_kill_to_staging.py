"""P1 from door to staging on one machine: server and sink die at random under load; every event is staged once."""

from collections import Counter
from pathlib import Path
from random import Random

import pytest

from ingestion.settings import Settings
from tests.support.capturing import Senders
from tests.support.lake import Lake
from tests.support.torture import torture

pytestmark = pytest.mark.spark


def assert_in_raw_and_staged_once(settings: Settings, senders: Senders) -> None:
    lake = Lake(settings)
    lake.dbt("build", "--resource-types", "seed", "model", "--select", "+stg_shopify_orders")
    sent = Counter(str(order) for order in senders.outcomes)

    assert Counter(lake.read("raw.shopify_orders")["id"].to_pylist()) == sent
    assert Counter(lake.read("staging.stg_shopify_orders")["order_id"].to_pylist()) == sent


def test_each_order_is_staged_once_whoever_dies(settings: Settings, tmp_path: Path) -> None:
    senders = torture(settings, tmp_path, ["server", "sink", "sink", "server"], seed=1)

    assert len(senders.outcomes) > 50
    assert_in_raw_and_staged_once(settings, senders)


@pytest.mark.stress
@pytest.mark.timeout(3600)
def test_each_order_is_staged_once_over_many_deaths(settings: Settings, tmp_path: Path) -> None:
    chance = Random(2)

    senders = torture(settings, tmp_path, [chance.choice(["server", "sink"]) for _ in range(60)], seed=2)

    assert_in_raw_and_staged_once(settings, senders)
