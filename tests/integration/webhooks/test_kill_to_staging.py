"""P1 from door to staging on one machine: server and sink die at random under load; every event is staged once."""

import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from random import Random

import pytest

from ingestion.settings import Settings
from tests.support.capturing import Senders, SinkProcess
from tests.support.lake import Lake
from tests.support.webhook_server import accounting_problems, running_server

pytestmark = pytest.mark.spark


def torture(settings: Settings, folder: Path, deaths: list[str], seed: int) -> Senders:
    """Raw holds all that there is when it ends."""
    chance = Random(seed)
    sink, senders = SinkProcess(settings, folder), Senders(4, seed)
    with ExitStack() as stack:
        stack.callback(sink.kill)
        server = stack.enter_context(running_server(settings.home_dir))
        senders.server = server
        sink.up()
        senders.start()
        try:
            for death in deaths:
                time.sleep(chance.uniform(0.2, 1.5))
                if death == "server":
                    server.kill()
                    server = stack.enter_context(running_server(settings.home_dir))
                    senders.server = server
                else:
                    sink.kill()
                    sink.up()
        finally:
            senders.stop()
        assert not accounting_problems(server.counts())
        sink.end()
        sink.once()
    return senders


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
