"""What the business sells."""

from functools import cache
from typing import NamedTuple

from ingestion.webhooks.generator.ids import seeded
from ingestion.webhooks.generator.money import Currency

_KINDS = ("Ice Cube Tray", "Wool Mittens", "Thermos", "Snow Globe", "Skate Guards", "Lantern", "Cocoa Tin", "Sled Rope")
_STYLES = ("Classic", "Large", "Travel", "Limited “Aurora”", "Kids'", "Two-Pack", "Refurbished")
_SIZES = ("Small", "Medium", "Large", "One Size")


class Product(NamedTuple):
    """One variant; `factor` is its price relative to the cheapest thing in a currency."""

    product_id: int
    variant_id: int
    title: str
    variant: str
    sku: str
    grams: int
    factor: int

    def price(self, currency: Currency) -> int:
        """In minor units."""
        return currency.cheapest + self.factor * currency.step


@cache
def catalogue() -> tuple[Product, ...]:
    """Every variant on sale, the same for every seed."""
    products = []
    for number in range(len(_KINDS) * len(_STYLES)):
        rng = seeded("product", number)
        kind, style = _KINDS[number % len(_KINDS)], _STYLES[number // len(_KINDS)]
        products.append(
            Product(
                product_id=632_910_392_000_000_000 + number,
                variant_id=808_950_810_000_000_000 + number,
                title=f"{style} {kind}",
                variant=rng.choice(_SIZES),
                sku=f"ICE-{number:03d}-{rng.randrange(100):02d}",
                grams=rng.randrange(40, 2400),
                factor=rng.randrange(0, 120),
            )
        )
    return tuple(products)
