"""Which object an event belongs to, its operation, and its place in the source's own order."""

import re
from collections.abc import Callable
from fnmatch import translate
from hashlib import sha256
from typing import NamedTuple

import msgspec
from msgspec import Raw

from ingestion.reasons import BAD_TIME, DELETE_WITH_CONTENT, NO_KEY, NO_TIME, UNKNOWN_TOPIC, WRONG_SHAPE, Reason
from ingestion.webhooks.columns import BadValueError
from ingestion.webhooks.lookup import Headers, Lookup, Lookups, Values
from ingestion.webhooks.places import parse_places
from ingestion.webhooks.sources import Object, SourceConfig

FINAL = "9" * 20
UNKNOWN_TIME = "0" * 20
_EMPTY = frozenset({b"", b"null", b"[]", b"{}", b'""'})

_TOPICS = 1_000

Conditions = list[tuple[Lookup, Callable[[str], object], bool]]


class UnfitEventError(Exception):
    """The event goes to the quarantine; `reason` is one of `ingestion.reasons`, or of the source's own file."""

    def __init__(self, reason: Reason, detail: str, topic: str | None = None, object_name: str | None = None) -> None:
        super().__init__(reason)
        self.reason, self.detail, self.topic, self.object_name = reason, detail, topic, object_name


class Route(NamedTuple):
    """The object that takes an event, its `_op` and its `_position`."""

    topic: str
    object_name: str
    op: str
    position: str


class Router:
    """The rules of one source's file, in its order."""

    def __init__(self, source: SourceConfig, lookups: Lookups) -> None:
        self._topic = lookups.text(source.topic)
        self._is_topic_in_header = all(place.kind == "header" for place in source.topic.choices)
        self._quarantine = [
            (Reason(word), _conditions(lookups, where)) for word, where in source.quarantine_when.items()
        ]
        self._targets = {name: _Target(name, item, lookups) for name, item in source.objects.items()}
        self._rules = [
            (rule, _conditions(lookups, rule.where), self._targets[name])
            for name, item in source.objects.items()
            for rule in item.accept
        ]
        self._by_topic: dict[str, list[tuple[str, Conditions, _Target]]] = {}

    def check(self, headers: Headers, values: Values, body: bytes) -> str:
        """The object that takes the event. Raises UnfitEventError without one, or when key, time or content misfit."""
        topic, op, target = self._target(headers, values)
        target.check(op, topic, headers, values, body)
        return target.name

    def route(self, headers: Headers, values: Values, body: bytes) -> Route:
        """Like `check`, and says where the event goes."""
        topic, op, target = self._target(headers, values)
        time = target.check(op, topic, headers, values, body)
        return Route(topic, target.name, op, target.position(time, topic, headers, values, body))

    def likely_object(self, headers: Headers) -> str | None:
        """The first object that takes the topic, if headers tell it: conditions may still send the event elsewhere."""
        topic = self._topic(headers, ()) if self._is_topic_in_header else None
        rules = () if topic is None else self._rules_for(topic)
        return rules[0][2].name if rules else None

    def _target(self, headers: Headers, values: Values) -> tuple[str, str, "_Target"]:
        topic = self._topic(headers, values)
        for reason, conditions in self._quarantine:
            if _hold(conditions, headers, values):
                raise UnfitEventError(reason, "the source's file sends such events to the quarantine", topic)
        if topic is None:
            raise UnfitEventError(WRONG_SHAPE, "no topic")
        for op, conditions, target in self._rules_for(topic):
            if not conditions or _hold(conditions, headers, values):
                return topic, op, target
        raise UnfitEventError(UNKNOWN_TOPIC, "no object of the source's file accepts such a body with it", topic)

    def _rules_for(self, topic: str) -> list[tuple[str, Conditions, "_Target"]]:
        """The rules whose patterns take `topic`, remembered for as many topics as senders really have."""
        found = self._by_topic.get(topic)
        if found is None:
            found = [(rule.op, conditions, target) for rule, conditions, target in self._rules if rule.takes(topic)]
            if len(self._by_topic) < _TOPICS:
                self._by_topic[topic] = found
        return found


class _Target:
    def __init__(self, name: str, item: Object, lookups: Lookups) -> None:
        self.name, self._item = name, item
        self._key = lookups.text(item.key, strict=True)
        self._moment = lookups.moment(item.updated_at)
        self._tie = lookups.text(item.tie)

    def check(self, op: str, topic: str, headers: Headers, values: Values, body: bytes) -> str:
        """The time part of the event's position."""
        key = self._key(headers, values)
        if not key:
            raise UnfitEventError(NO_KEY, "the key is missing, empty or no scalar", topic, self.name)
        if op == "d" and self._item.bare_deletes:
            self._check_bare(body, topic)
            return FINAL
        return self._time(topic, headers, values)

    def position(self, time: str, topic: str, headers: Headers, values: Values, body: bytes) -> str:
        """Sorts like the source's own order: time, rank of the topic, tie."""
        return f"{time}-{self._item.rank.get(topic, 0):02d}-{self._break_tie(headers, values, body)}"

    def _time(self, topic: str, headers: Headers, values: Values) -> str:
        if self._item.updated_at is None:
            return UNKNOWN_TIME
        try:
            moment = self._moment(headers, values)
        except BadValueError as error:
            raise UnfitEventError(BAD_TIME, str(error), topic, self.name) from error
        if moment is None:
            raise UnfitEventError(NO_TIME, "the update time is missing", topic, self.name)
        if moment < 0:
            raise UnfitEventError(BAD_TIME, "an update time before 1970", topic, self.name)
        return f"{moment:020d}"

    def _break_tie(self, headers: Headers, values: Values, body: bytes) -> str:
        if self._item.tie is None:
            return sha256(body).hexdigest()[:32]
        text = self._tie(headers, values) or ""
        if text.isascii() and text.isdecimal() and len(text) <= 20:
            return text.zfill(20)
        return sha256(text.encode()).hexdigest()[:20]

    def _check_bare(self, body: bytes, topic: str) -> None:
        """A delete that carries the object's content may be a stolen body under another topic."""
        fields = msgspec.json.decode(body, type=dict[str, Raw])
        full = [
            name for name, raw in fields.items() if name not in self._item.bare_deletes and bytes(raw) not in _EMPTY
        ]
        if full:
            raise UnfitEventError(DELETE_WITH_CONTENT, f"{len(full)} fields beside the ids", topic, self.name)


def _conditions(lookups: Lookups, where: dict[str, str]) -> Conditions:
    """For each place how it is looked up, whether a text fits, and whether it may be absent."""
    places = [(parse_places(place), re.compile(translate(wanted))) for place, wanted in where.items()]
    return [(lookups.text(place), pattern.match, place.optional) for place, pattern in places]


def _hold(conditions: Conditions, headers: Headers, values: Values) -> bool:
    for lookup, fits, optional in conditions:
        text = lookup(headers, values)
        if not (optional if text is None else fits(text)):
            return False
    return True
