"""The whole business as one stream of requests, made while it is read."""

from collections.abc import Iterator
from heapq import heappop, heappush
from itertools import count

from ingestion.webhooks.generator.faults import Faults, disturbed
from ingestion.webhooks.generator.hubspot import Change, hubspot_request
from ingestion.webhooks.generator.ids import seeded
from ingestion.webhooks.generator.lives import Moment, changed_again, forgotten, order_life, person_life
from ingestion.webhooks.generator.orders import (
    ORDERS_BEFORE_OBLIVION,
    SECONDS_BETWEEN_ORDERS,
    START,
    Order,
    first_order_after,
    placed_order,
    population,
)
from ingestion.webhooks.generator.people import person
from ingestion.webhooks.generator.request import Request

_SETTLED_AFTER = 5 * 86_400
_BATCH_WAIT = 900
_LARGEST_BATCH = 100


def business(seed: int = 1, *, orders: int | None = None, faults: Faults | None = None) -> Iterator[Request]:
    """Every request of the first `orders` orders (None: without end), in the order of sending.

    About 10 requests per order, with the faults' shares on top. Each prefix of the stream is consistent: a repeat
    comes after what it repeats. Memory does not grow with `orders`; times start in 2025, an order every 20 minutes.
    """
    genuine = _delivered(_moments(seed, orders), seed)
    return disturbed(genuine, seed, Faults() if faults is None else faults)


def order_updates(seed: int = 1, *, orders: int, share: float = 0.01, wave: int = 1) -> Iterator[Request]:
    """A later wave: `share` of the first `orders` orders (every hundredth for 0.01), each changed once, told once.

    Orders that were deleted or whose buyer asked to be forgotten are left alone. The next wave picks the orders
    beside them.
    """
    stride = max(1, round(1 / share))
    moment = START + orders * SECONDS_BETWEEN_ORDERS + _SETTLED_AFTER + wave * 3_600
    for number in range((seed + wave) % stride, orders, stride):
        order = settled_order(seed, number)
        if not order.is_deleted and order.buyer.fate == "stays":
            yield from changed_again(order, moment + number % 3_600, wave=wave)


def settled_order(seed: int, number: int) -> Order:
    """An order in its last state, after everything `business` tells of it."""
    order = placed_order(seed, number)
    for _ in order_life(order):
        pass
    return order


def _moments(seed: int, orders: int | None) -> Iterator[Moment]:
    """What happens, in order of time; the heap holds only the lives that are going on."""
    heap: list[tuple[int, int, Moment, Iterator[Moment]]] = []
    tie = count()
    bought: dict[int, list[int]] = {}

    def start(life: Iterator[Moment]) -> None:
        moment = next(life, None)
        if moment is not None:
            heappush(heap, (moment[0], next(tie), moment, life))

    def until(end: int | None) -> Iterator[Moment]:
        while heap and (end is None or heap[0][0] < end):
            _, _, moment, life = heappop(heap)
            yield moment
            start(life)

    for number in count() if orders is None else range(orders):
        now = START + number * SECONDS_BETWEEN_ORDERS
        for newcomer in _newcomers(number):
            start(person_life(seed, person(seed, newcomer), now))
        for known in _newcomers(number - ORDERS_BEFORE_OBLIVION):
            who = person(seed, known)
            if who.fate == "forgotten":
                since = START + first_order_after(known) * SECONDS_BETWEEN_ORDERS
                told = forgotten(seed, who, since, now, tuple(bought.pop(known, ())))
                start(iter([(now, told)]))
        order = placed_order(seed, number)
        if order.buyer.fate == "forgotten":
            bought.setdefault(order.buyer.number, []).append(order.order_id)
        start(order_life(order))
        yield from until(now + SECONDS_BETWEEN_ORDERS)
    yield from until(None)


def _newcomers(number: int) -> range:
    """Who becomes known just before the `number`-th order."""
    if number < 0:
        return range(0)
    return range(0 if number == 0 else population(number - 1), population(number))


def _delivered(moments: Iterator[Moment], seed: int) -> Iterator[Request]:
    """Shops and payments tell each event at once; HubSpot collects changes for some minutes into one array."""
    rng = seeded(seed, "batches")
    waiting: list[Change] = []
    since, size = 0, 1
    for at, told in moments:
        if waiting and (at - since > _BATCH_WAIT or len(waiting) >= size):
            yield from _batches(waiting)
            waiting, size = [], rng.choice((1, 4, 12, 40))
        for event in told:
            if isinstance(event, Request):
                yield event
                continue
            if not waiting:
                since = at
            waiting.insert(rng.randrange(len(waiting) + 1), event)
    yield from _batches(waiting)


def _batches(changes: list[Change]) -> Iterator[Request]:
    for start in range(0, len(changes), _LARGEST_BATCH):
        yield hubspot_request(changes[start : start + _LARGEST_BATCH])
