"""What happens in the shop: one function per transaction, in SQL that both servers understand."""

import uuid
from collections.abc import Callable
from random import Random
from typing import Any

from ingestion.stack.shop import words
from ingestion.stack.shop.rows import Row, large_text, money

Change = Callable[[Any, Random], None]
"""Works through a cursor inside the caller's transaction; a row that is not there any more is passed over."""


def new_order(cursor: Any, chance: Random) -> None:
    """A user who may be new orders up to three products and pays."""
    user = _pick(cursor, chance, "users", "user_id")
    if user is None or chance.random() < 0.2:
        name = f"{chance.choice(words.GIVEN_NAMES)} {chance.choice(words.FAMILY_NAMES)}"
        cursor.execute(
            "insert into users (full_name, country, credit_amount, is_active) "
            "values (%s, %s, %s, %s) returning user_id",
            (name, chance.choice(words.COUNTRIES), money(chance.randrange(10_000), 2), True),
        )
        user = cursor.fetchone()[0]
    currency, digits = chance.choice(words.CURRENCIES)
    prices = [chance.randrange(1, 50_000) for _ in range(chance.randrange(1, 4))]
    total = money(sum(prices), digits)
    cursor.execute(
        "insert into orders (user_id, status, currency, total_amount, total_amount_minor, shipping_address, note, "
        "time_zone, ordered_local_at, ordered_at) values (%s, 'paid', %s, %s, %s, '{}', %s, 'UTC', "
        "current_timestamp(6), current_timestamp(6)) returning order_id",
        (user, currency, total, sum(prices), chance.choice((None, *words.AWKWARD))),
    )
    order = cursor.fetchone()[0]
    for line, price in enumerate(prices, 1):
        product = _pick(cursor, chance, "products", "product_id")
        if product is not None:
            cursor.execute(
                "insert into order_items (order_id, line_number, product_id, quantity, unit_price_amount) "
                "values (%s, %s, %s, 1, %s)",
                (order, line, product, money(price, digits)),
            )
    cursor.execute(
        "insert into payments (payment_id, order_id, method, status, amount, currency, paid_at) "
        "values (%s, %s, %s, 'succeeded', %s, %s, current_timestamp(6))",
        (_uuid(chance), order, chance.choice(words.METHODS), total, currency),
    )


def new_food_orders(cursor: Any, chance: Random) -> None:
    """A few at once."""
    for _ in range(chance.randrange(1, 6)):
        restaurant = _pick(cursor, chance, "restaurants", "restaurant_id")
        cursor.execute(
            "insert into food_orders (customer_name, restaurant_name, item, amount, order_status) "
            "select %s, restaurant_name, %s, %s, 'PLACED' from restaurants where restaurant_id = %s",
            (
                chance.choice(words.GIVEN_NAMES),
                chance.choice(words.DISHES),
                money(chance.randrange(300, 9_000), 2),
                restaurant,
            ),
        )


def next_status(cursor: Any, chance: Random) -> None:
    """A small change that stays in its page."""
    _update(cursor, chance, "orders", "order_id", "status = %s", (chance.choice(("shipped", "delivered", "returned")),))
    status = chance.choice(words.FOOD_STATUSES)
    cursor.execute(
        "update food_orders set order_status = %s where order_id = %s",
        (status, _pick(cursor, chance, "food_orders", "order_id")),
    )


def new_price(cursor: Any, chance: Random) -> None:
    """A small change beside a large text that stays as it is."""
    price = money(chance.randrange(1, 900_000), 2)
    _update(cursor, chance, "products", "product_id", "price_amount = %s", (price,))


def longer_row(cursor: Any, chance: Random) -> None:
    """Rows that grow so much that they move to another page, or partly out of the table's pages."""
    _update(cursor, chance, "orders", "order_id", "note = %s", (large_text(chance, chance.randrange(200, 1_500)),))
    text = chance.choice((None, "", large_text(chance, chance.randrange(2_000, 12_000))))
    _update(cursor, chance, "products", "product_id", "description = %s", (text,))


def many_rows(cursor: Any, chance: Random) -> None:
    """Some hundred neighbouring rows in one statement."""
    first = _pick(cursor, chance, "order_items", "order_id")
    if first is not None:
        cursor.execute(
            "update order_items set discount_ratio = %s, updated_at = current_timestamp(6) "
            "where order_id between %s and %s",
            (chance.random(), first, first + chance.randrange(1, 150)),
        )


def moved_key(cursor: Any, chance: Random) -> None:
    """Primary keys change: part of one, a whole one, and one that takes its referring rows along."""
    order = _pick(cursor, chance, "order_items", "order_id")
    cursor.execute(
        "select max(line_number) from order_items where order_id = %s",
        (order,),
    )
    last = cursor.fetchone()[0]
    if last is not None:
        cursor.execute(
            "update order_items set line_number = %s where order_id = %s and line_number = %s",
            (last + chance.randrange(1, 1_000), order, last),
        )
    order = _pick(cursor, chance, "orders", "order_id")
    cursor.execute("select payment_id from payments where order_id = %s order by payment_id limit 1", (order,))
    found = cursor.fetchone()
    if found is not None:
        cursor.execute("update payments set payment_id = %s where payment_id = %s", (_uuid(chance), found[0]))
    if chance.random() < 0.1:
        restaurant = _pick(cursor, chance, "restaurants", "restaurant_id")
        cursor.execute(
            "update restaurants set restaurant_name = %s, updated_at = current_timestamp(6) where restaurant_id = %s",
            (f"{chance.choice(words.RESTAURANT_KINDS)} {_uuid(chance)}", restaurant),
        )


def deleted_order(cursor: Any, chance: Random) -> None:
    """With all that refers to it."""
    order = _pick(cursor, chance, "orders", "order_id")
    for table in ("payments", "order_items", "orders"):
        cursor.execute(f"delete from {table} where order_id = %s", (order,))


def deleted_food_orders(cursor: Any, chance: Random) -> None:
    """A few neighbours."""
    first = _pick(cursor, chance, "food_orders", "order_id")
    if first is not None:
        cursor.execute("delete from food_orders where order_id between %s and %s", (first, first + 2))


def back_again(cursor: Any, chance: Random) -> None:
    """A row is deleted and comes back under its key, in one transaction."""
    payment = _pick_payment(cursor, chance)
    if payment is not None:
        cursor.execute("delete from payments where payment_id = %s", (payment[0],))
        cursor.execute(
            "insert into payments (payment_id, order_id, method, status, amount, currency) "
            "values (%s, %s, 'wallet', 'succeeded', %s, %s)",
            payment,
        )


# How often each occurs among a hundred.
WEIGHTS: tuple[tuple[Change, int], ...] = (
    (new_order, 22),
    (new_food_orders, 18),
    (next_status, 18),
    (new_price, 8),
    (longer_row, 10),
    (many_rows, 4),
    (moved_key, 8),
    (deleted_order, 4),
    (deleted_food_orders, 5),
    (back_again, 3),
)


def _pick(cursor: Any, chance: Random, table: str, key: str) -> int | None:
    """The key of some row, or None when the table is empty; half of the time one of the newest."""
    cursor.execute(f"select min({key}), max({key}) from {table}")
    low, high = cursor.fetchone()
    if low is None:
        return None
    start = (
        chance.randrange(max(low, high - 200), high + 1) if chance.random() < 0.5 else chance.randrange(low, high + 1)
    )
    cursor.execute(f"select {key} from {table} where {key} >= %s order by {key} limit 1", (start,))
    found = cursor.fetchone()
    return None if found is None else int(found[0])


def _pick_payment(cursor: Any, chance: Random) -> Row | None:
    order = _pick(cursor, chance, "orders", "order_id")
    cursor.execute("select payment_id, order_id, amount, currency from payments where order_id = %s", (order,))
    found: Row | None = next(iter(cursor.fetchall()), None)
    return found


def _update(cursor: Any, chance: Random, table: str, key: str, assignment: str, values: Row) -> None:
    row = _pick(cursor, chance, table, key)
    cursor.execute(
        f"update {table} set {assignment}, updated_at = current_timestamp(6) where {key} = %s", (*values, row)
    )


def _uuid(chance: Random) -> str:
    return str(uuid.UUID(int=chance.getrandbits(128), version=4))
