"""Plain orders: what the benchmarks fill a lake with is what the reader accepts."""

from dataclasses import dataclass

from ingestion.settings import PROJECT_ROOT
from ingestion.webhooks.events import RawRow, raw_schema, reader
from ingestion.webhooks.generator.plain import plain_orders
from ingestion.webhooks.sources import load_source

SHOPIFY = load_source(PROJECT_ROOT / "config" / "webhooks" / "shopify.yaml", {})
COLUMNS = raw_schema(SHOPIFY, "orders").names


@dataclass
class Row:
    id: str
    position: str
    event: str
    price: str


def rows(first: int, count: int, version: int = 0) -> list[Row]:
    found = []
    for delivery in plain_orders(first, count, version=version, orders=100):
        [row] = reader(SHOPIFY).split(delivery)
        assert isinstance(row, RawRow)
        named = dict(zip(COLUMNS, row.values, strict=False))
        assert reader(SHOPIFY).inspect({"x-shopify-topic": "orders/create"}, delivery.body).reason is None
        found.append(Row(named["id"], named["_position"], named["_event_id"], named["total_price"]))
    return found


def test_each_order_is_one_event_of_its_own() -> None:
    found = rows(0, 100)

    assert len({row.id for row in found}) == len({row.event for row in found}) == 100


def test_a_part_of_the_orders_is_the_same_as_when_made_with_the_others() -> None:
    assert rows(40, 5) == rows(0, 100)[40:45]


def test_a_higher_version_is_a_later_state_of_the_same_order_with_another_price() -> None:
    for before, after in zip(rows(0, 50), rows(0, 50, version=1), strict=True):
        assert after.id == before.id
        assert after.position > before.position
        assert after.price != before.price
