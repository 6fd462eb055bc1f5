"""Requirement: polled orders of food, staged by day; orders without id or with a negative amount in the quarantine."""

from datetime import date
from decimal import Decimal

import pytest

from ingestion.bulk.sources import database
from ingestion.poll.bus import JournalBus
from ingestion.poll.run import Run
from ingestion.settings import Settings
from tests.support.databases import TestPostgres
from tests.support.lake import Lake

_TABLE = """create table food_orders (
    order_id integer primary key, customer_name varchar(200) not null, restaurant_name varchar(120) not null,
    item varchar(120) not null, amount numeric(10,2) not null, order_status varchar(20) not null,
    created_at timestamp not null)"""


@pytest.mark.spark
def test_polled_orders_are_staged_by_day_without_the_rejected_ones(
    settings: Settings, postgres: TestPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = postgres.database()
    for name, value in {"HOST": facts.host, "PORT": facts.port, "DATABASE": facts.database, "USER": facts.user}.items():
        monkeypatch.setenv(f"SHOP_POSTGRES_{name}", str(value))
    monkeypatch.setenv("SHOP_POSTGRES_PASSWORD", facts.password)
    lake = Lake(settings)
    source = database(settings.config_dir, "delivery")
    run = Run(lake.catalog, source, lambda raw, topic: JournalBus(settings.journal_dir, raw), 1_000_000)

    def order(number: int, amount: str, at: str) -> str:
        return f"insert into food_orders values ({number}, 'J', 'B', 'Veg Burger', {amount}, 'PLACED', '{at}')"

    with postgres.connect(facts.database) as connection:
        for statement in (
            _TABLE,
            order(101, "220", "2025-01-15 12:24:00"),
            order(102, "-5", "2025-01-15 12:25:00"),
            order(103, "1.5", "2025-01-16 00:00:00"),
        ):
            connection.execute(statement.encode())
        run.once()
        lake.land([])
        lake.dbt("seed", "--select", "currencies")
        lake.dbt("run", "--select", "stg_delivery_food_orders", "rejected_rows")
        connection.execute(order(104, "7", "2025-01-16 00:00:01").encode())
        run.once()
        run.close()
        lake.land([])
        lake.dbt("build", "--select", "stg_delivery_food_orders", "rejected_rows")

    staged = {
        row["order_id"]: (row["order_date"], row["amount"]) for row in lake.rows("staging.stg_delivery_food_orders")
    }
    assert staged == {
        "101": (date(2025, 1, 15), Decimal("220.00")),
        "103": (date(2025, 1, 16), Decimal("1.50")),
        "104": (date(2025, 1, 16), Decimal("7.00")),
    }
    (rejected,) = lake.rows("metadata.rejected_rows")
    assert (rejected["record_id"], rejected["rule"]) == ("102", "negative_amount")
    spec = lake.catalog.load_table("staging.stg_delivery_food_orders").spec()
    assert [one.name for one in spec.fields] == ["order_date"]
