"""Orders as the business sees them: lines, sums and what happens to them, free of any vendor's notation."""

from dataclasses import dataclass, field
from random import Random

from ingestion.webhooks.generator.catalogue import Product, catalogue
from ingestion.webhooks.generator.ids import seeded, shopify_id
from ingestion.webhooks.generator.money import Shop, permille
from ingestion.webhooks.generator.people import Person, person

START = 1_735_689_600
"""The first moment of the generated business: 2025-01-01 00:00:00 UTC."""

SECONDS_BETWEEN_ORDERS = 1_200
PEOPLE_PER_HUNDRED_ORDERS = 45
FIRST_SUBSCRIPTION = 10**9
ORDERS_BEFORE_SILENCE, ORDERS_BEFORE_OBLIVION = 150, 450
"""Someone who asks to be forgotten stops buying first, long enough for every order to come to its end."""


@dataclass(slots=True)
class Line:
    """One line of an order, in minor units; `discount` and `tax` are of the whole line."""

    line_id: int
    product: Product
    quantity: int
    price: int
    discount: int = 0
    tax: int = 0

    @property
    def subtotal(self) -> int:
        return self.quantity * self.price - self.discount


@dataclass(slots=True)
class Refund:
    """One refund of an order, or its failed attempt."""

    refund_id: int
    at: int
    amount: int
    quantities: dict[int, int]
    """Line id to pieces sent back."""
    succeeded: bool


@dataclass(slots=True)
class Payment:
    """One attempt to take money for an order."""

    part: int
    at: int
    amount: int
    succeeded: bool
    refunded: int = 0


@dataclass(slots=True)
class Order:
    """One order and its present state; times are epoch seconds."""

    seed: int
    number: int
    order_id: int
    buyer: Person
    shop: Shop
    created_at: int
    updated_at: int
    lines: list[Line]
    shipping: int
    discount_permille: int
    is_test: bool
    is_guest: bool
    note: str | None = None
    financial_status: str = "pending"
    fulfilled_at: int | None = None
    cancelled_at: int | None = None
    payments: list[Payment] = field(default_factory=list)
    refunds: list[Refund] = field(default_factory=list)
    is_deleted: bool = False
    loyalty_points: int | None = None
    """A field that no source configuration declares."""
    is_subscription: bool = False
    """Paid at Stripe alone: no shop knows of it."""

    @property
    def subtotal(self) -> int:
        return sum(line.subtotal for line in self.lines)

    @property
    def discount(self) -> int:
        return sum(line.discount for line in self.lines)

    @property
    def tax(self) -> int:
        return sum(line.tax for line in self.lines)

    @property
    def total(self) -> int:
        return self.subtotal + self.shipping + self.tax

    @property
    def paid(self) -> int:
        return sum(payment.amount for payment in self.payments if payment.succeeded)

    @property
    def refunded(self) -> int:
        return sum(refund.amount for refund in self.refunds if refund.succeeded)

    def reckon(self) -> None:
        """Spread discount and tax over the lines, as they are now."""
        for line in self.lines:
            line.discount = permille(line.quantity * line.price, self.discount_permille)
            line.tax = permille(line.subtotal, self.shop.tax_permille)

    def add_line(self, rng: Random) -> None:
        """The customer wants one more thing."""
        self.lines.append(_line(self.seed, self.number, len(self.lines), rng, self.shop))
        self.reckon()


def population(orders: int) -> int:
    """How many customers the business knows once `orders` orders were placed."""
    return 4 + orders * PEOPLE_PER_HUNDRED_ORDERS // 100


def first_order_after(newcomer: int) -> int:
    """The number of the first order placed once the business knew this customer."""
    return max(0, -(-(newcomer - 3) * 100 // PEOPLE_PER_HUNDRED_ORDERS))


def placed_order(seed: int, number: int) -> Order:
    """The `number`-th order at the moment it is placed."""
    rng = seeded(seed, "order", number)
    buyer = _buyer(seed, number, rng)
    created_at = START + number * SECONDS_BETWEEN_ORDERS + rng.randrange(SECONDS_BETWEEN_ORDERS)
    count = rng.choices((1, 2, 3, 4, 6), (38, 30, 18, 9, 5))[0]
    shop = buyer.shop
    order = Order(
        seed=seed,
        number=number,
        order_id=shopify_id("order", seed, number),
        buyer=buyer,
        shop=shop,
        created_at=created_at,
        updated_at=created_at,
        lines=[_line(seed, number, part, rng, shop) for part in range(count)],
        shipping=rng.choice((0, 1, 2)) * shop.currency.cheapest,
        discount_permille=rng.choice((50, 100, 250)) if rng.random() < 0.18 else 0,
        is_test=rng.random() < 0.02,
        is_guest=rng.random() < 0.04,
        note=rng.choice(("Please leave at the door", "It's a gift 🎁", 'Say "hello" to the ice'))
        if rng.random() < 0.1
        else None,
        loyalty_points=rng.randrange(500) if rng.random() < 0.05 else None,
    )
    order.reckon()
    return order


def subscription(seed: int, who: Person, at: int) -> Order:
    """What someone pays for at Stripe without having been in a shop."""
    number = FIRST_SUBSCRIPTION + who.number
    line = _line(seed, number, 0, seeded(seed, "subscription", who.number), who.shop)
    return Order(
        seed=seed,
        number=number,
        order_id=shopify_id("order", seed, number),
        buyer=who,
        shop=who.shop,
        created_at=at,
        updated_at=at,
        lines=[line],
        shipping=0,
        discount_permille=0,
        is_test=False,
        is_guest=False,
        is_subscription=True,
    )


def _line(seed: int, number: int, part: int, rng: Random, shop: Shop) -> Line:
    products = catalogue()
    product = products[int(len(products) * rng.random() ** 2)]
    quantity = rng.choices((1, 2, 3, 12), (70, 20, 8, 2))[0]
    return Line(shopify_id("line", seed, number, part), product, quantity, product.price(shop.currency))


def _buyer(seed: int, number: int, rng: Random) -> Person:
    """Someone the business knows by now and the shop has: recent customers buy more often."""
    known = population(number)
    chosen = known - 1 - int(known * rng.random() ** 1.6)
    while not _buys(person(seed, chosen), number):
        chosen = (chosen + 1) % known
    return person(seed, chosen)


def _buys(who: Person, number: int) -> bool:
    if who.fate == "forgotten":
        return who.in_shopify and number < first_order_after(who.number) + ORDERS_BEFORE_SILENCE
    return who.in_shopify and who.fate == "stays"
