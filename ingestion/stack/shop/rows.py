"""The shop's rows: the same seed and scale give the same rows, on every machine and for every server."""

import json
import uuid
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from random import Random
from types import MappingProxyType
from typing import Any
from zoneinfo import ZoneInfo

from ingestion.stack.shop import words

Row = tuple[Any, ...]
"""Values in the order of the table's columns: text, int, float, bool, bytes, list of words, None; money and times as
text, times in UTC unless the column is local."""

# Rows at scale 1, of tables that are not counted below another one; about a million with items and payments.
AT_SCALE_1: Mapping[str, int] = MappingProxyType(
    {"users": 60_000, "products": 5_000, "orders": 197_000, "restaurants": 500, "food_orders": 100_000}
)
_FIRST_DAY = datetime(2023, 1, 1, tzinfo=UTC)
_DAYS = 1_400
_SPAN = _DAYS * 86_400 * 1_000_000  # microseconds
_BORN = date(1926, 2, 28)
_STATUSES = ("placed", "paid", "shipped", "delivered", "delivered", "delivered", "delivered", "cancelled", "returned")
_ZONES = tuple((name, ZoneInfo(name)) for name in words.ZONES)


class Shop:
    """The rows of one seed and scale. `orders` are yielded with their items and payments, so that sums agree."""

    def __init__(self, seed: int, scale: float) -> None:
        self.seed, self.scale = seed, scale
        self.counts = {name: max(5, round(count * scale)) for name, count in AT_SCALE_1.items()}

    @property
    def expected_rows(self) -> int:
        """About how many rows there will be in all."""
        return sum(self.counts.values()) + round(self.counts["orders"] * 3.24)

    def users(self) -> Iterator[Row]:
        """One in forty has an awkward name, every fifth no phone, one in fifty no e-mail."""
        chance = self._chance("users")
        for number in range(1, self.counts["users"] + 1):
            created = self._moment(number, self.counts["users"], chance)
            name = f"{chance.choice(words.GIVEN_NAMES)} {chance.choice(words.FAMILY_NAMES)}"
            yield (
                number,
                f"user{number}@example.{chance.choice(('com', 'org', 'net'))}" if number % 50 else None,
                chance.choice(words.AWKWARD)[:200] if number % 40 == 0 else name,
                f"+{chance.randrange(10**10, 10**12)}" if number % 5 else None,
                chance.choice(words.COUNTRIES),
                money(chance.choice((0, 0, 0, -1, 1, chance.randrange(-50_000, 500_000), 999_999_999_999)), 2),
                chance.random() < 0.93,
                str(_BORN + timedelta(days=chance.randrange(30_000))) if chance.random() < 0.7 else None,
                _preferences(chance) if chance.random() < 0.6 else None,
                moment(created),
                moment(created + chance.randrange(10**12)),
                moment(created + chance.randrange(10**13)) if chance.random() < 0.02 else None,
            )

    def products(self) -> Iterator[Row]:
        """Descriptions run from nothing to 40 kB, so that some are stored outside their row."""
        chance = self._chance("products")
        for number in range(1, self.counts["products"] + 1):
            created = self._moment(number, self.counts["products"], chance)
            currency, digits = chance.choice(words.CURRENCIES)
            title = f"{chance.choice(words.ADJECTIVES)} {chance.choice(words.NOUNS)} {number}"
            yield (
                number,
                f"SKU-{number:06d}-{chance.randrange(36**4):x}",
                title,
                _description(chance, title),
                chance.choice(words.CATEGORIES),
                money(chance.randrange(0, 500_000) * 10 ** (2 - min(digits, 2)), 2),
                currency,
                chance.randrange(1, 60_000) if chance.random() < 0.8 else None,
                chance.sample(words.TAGS, chance.randrange(4)) if chance.random() < 0.9 else None,
                json.dumps(
                    {"colour": chance.choice(("weiß", "blue", "red")), "volts": 1.10, "ids": [number, 2**53 + 1]}
                ),
                chance.randbytes(chance.choice((0, 16, 200))) if chance.random() < 0.3 else None,
                chance.random() < 0.9,
                moment(created),
                moment(created + chance.randrange(10**12)),
            )

    def orders(self) -> Iterator[tuple[Row, list[Row], list[Row]]]:
        """Each order with its items and payments. A few users have most of the orders."""
        chance = self._chance("orders")
        users, products, count = self.counts["users"], self.counts["products"], self.counts["orders"]
        for number in range(1, count + 1):
            at = self._moment(number, count, chance)
            stamp = moment(at)
            currency, digits = chance.choice(words.CURRENCIES)
            zone, info = chance.choice(_ZONES)
            items, minor = [], 0
            for line in range(1, 2 + int(chance.random() ** 2 * 5)):
                price = chance.randrange(1, 40_000)
                quantity = chance.randrange(1, 5)
                minor += price * quantity
                unit = money(price, digits)
                ratio = chance.random() if chance.random() < 0.1 else None
                items.append((number, line, chance.randrange(1, products + 1), str(quantity), unit, ratio, stamp))
            status = chance.choice(_STATUSES)
            total = money(minor, digits)
            order = (
                number,
                1 + int(chance.random() ** 3 * users),
                status,
                currency,
                total,
                minor,
                _address(chance),
                _note(chance, number),
                zone,
                local(at, info),
                stamp,
                moment(at + chance.randrange(10**12)),
            )
            yield order, items, _payments(chance, number, status, total, currency, at)

    def restaurants(self) -> Iterator[Row]:
        chance = self._chance("restaurants")
        for number in range(1, self.counts["restaurants"] + 1):
            created = self._moment(number, self.counts["restaurants"], chance)
            yield (
                number,
                restaurant_name(number),
                chance.choice(words.CITIES),
                chance.choice(words.ZONES),
                money(chance.randrange(100, 501), 2) if chance.random() < 0.9 else None,
                chance.randrange(4, 400) if chance.random() < 0.7 else None,
                f"{chance.randrange(6, 18):02d}:{chance.choice((0, 15, 30)):02d}:00" if chance.random() < 0.9 else None,
                moment(created),
                moment(created),
            )

    def food_orders(self) -> Iterator[Row]:
        """One in two thousand has a negative amount, as the cleaning downstream expects."""
        chance = self._chance("food_orders")
        restaurants, count = self.counts["restaurants"], self.counts["food_orders"]
        for number in range(1, count + 1):
            name = f"{chance.choice(words.GIVEN_NAMES)} {chance.choice(words.FAMILY_NAMES)}"
            amount = chance.randrange(300, 15_000)
            yield (
                number,
                chance.choice(words.AWKWARD)[:200] if number % 60 == 0 else name,
                restaurant_name(1 + int(chance.random() ** 2 * restaurants)),
                chance.choice(words.DISHES),
                money(-amount if number % 2_000 == 7 else amount, 2),
                chance.choice(words.FOOD_STATUSES),
                moment(self._moment(number, count, chance)),
            )

    def _chance(self, table: str) -> Random:
        return Random(f"{self.seed} {table}")  # noqa: S311 - content, not secrets

    @staticmethod
    def _moment(number: int, count: int, chance: Random) -> int:
        """Microseconds after the first day: rising with the number, with some disorder."""
        return int(number / count * _SPAN * 0.98) + chance.randrange(_SPAN // 100)


def restaurant_name(number: int) -> str:
    """Unique by its number."""
    return f"{words.RESTAURANT_KINDS[number % len(words.RESTAURANT_KINDS)]} #{number}"


def money(minor: int, digits: int) -> str:
    """Minor units as text with `digits` after the point, exact."""
    sign, text = ("-" if minor < 0 else ""), str(abs(minor)).rjust(digits + 1, "0")
    return f"{sign}{text[:-digits]}.{text[-digits:]}" if digits else f"{sign}{text}"


def moment(microseconds: int) -> str:
    """A time in UTC, counted from the first day."""
    return (_FIRST_DAY + timedelta(microseconds=microseconds)).isoformat(" ")[:-6]


def local(microseconds: int, zone: ZoneInfo) -> str:
    """The clock on the wall at that moment, without its zone; an hour of each autumn occurs twice."""
    return (_FIRST_DAY + timedelta(microseconds=microseconds)).astimezone(zone).isoformat(" ")[:-6]


def _preferences(chance: Random) -> str:
    return json.dumps({"newsletter": chance.random() < 0.5, "locale": "de-DE", "note": chance.choice(words.AWKWARD)})


def _address(chance: Random) -> str:
    return f'{{"city": {json.dumps(chance.choice(words.CITIES))}, "zip": "{chance.randrange(100_000):05d}"}}'


def _note(chance: Random, number: int) -> str | None:
    """Every fortieth is awkward, by turns, so that a small shop has all of them."""
    draw = chance.random()
    if number % 40 == 0:
        return words.AWKWARD[number // 40 % len(words.AWKWARD)]
    return chance.choice(words.NOTES) if draw < 0.2 else None


def _description(chance: Random, title: str) -> str | None:
    draw = chance.random()
    if draw < 0.1:
        return None
    if draw < 0.15:
        return chance.choice(words.AWKWARD)
    if draw < 0.95:
        return f"{title}. {chance.choice(words.NOTES)}, {chance.choice(words.TAGS)}."
    return large_text(chance, chance.randrange(3_000, 20_000))


def large_text(chance: Random, size: int) -> str:
    """Text that does not shrink when compressed, so that it is stored outside its row."""
    return chance.randbytes(size).hex()


def _payments(chance: Random, order: int, status: str, total: str, currency: str, at: int) -> list[Row]:
    """None before an order is paid; one in ten was refused first."""
    found: list[Row] = []
    if status == "placed":
        return found
    method = chance.choice(words.METHODS)
    if chance.random() < 0.1:
        reason = chance.choice(words.FAILURES)
        stamp = moment(at)
        found.append((_uuid(chance), order, method, "failed", total, currency, reason, None, stamp, stamp))
    stamp = moment(at + 60_000_000)
    outcome = "refunded" if status == "returned" else "succeeded"
    found.append((_uuid(chance), order, method, outcome, total, currency, None, stamp, stamp, stamp))
    return found


def _uuid(chance: Random) -> str:
    return str(uuid.UUID(int=chance.getrandbits(128), version=4))
