"""Which object an event belongs to, its operation, and its place in the source's own order."""

from hashlib import sha256
from typing import NamedTuple

import msgspec
from msgspec import Raw

from ingestion.webhooks.columns import BadValueError
from ingestion.webhooks.lookup import Headers, Lookup, Lookups, Values
from ingestion.webhooks.places import parse_places
from ingestion.webhooks.sources import Object, SourceConfig

FINAL = "9" * 20
UNKNOWN_TIME = "0" * 20
_EMPTY = frozenset({b"", b"null", b"[]", b"{}", b'""'})

Conditions = list[tuple[Lookup, str]]


class UnfitEventError(Exception):
    """The event goes to the quarantine; `reason` is one of the fixed words that docs/reference lists."""

    def __init__(self, reason: str, detail: str, topic: str | None = None, object_name: str | None = None) -> None:
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
        self._quarantine = [(reason, _conditions(lookups, where)) for reason, where in source.quarantine_when.items()]
        self._targets = {name: _Target(name, item, lookups) for name, item in source.objects.items()}
        self._rules = [
            (rule, _conditions(lookups, rule.where), self._targets[name])
            for name, item in source.objects.items()
            for rule in item.accept
        ]

    def route(self, headers: Headers, values: Values, body: bytes) -> Route:
        """Raises UnfitEventError when no object takes the event or the event does not identify its object."""
        topic = self._topic(headers, values)
        for reason, conditions in self._quarantine:
            if _hold(conditions, headers, values):
                raise UnfitEventError(reason, "the source's file sends such events to the quarantine", topic)
        if topic is None:
            raise UnfitEventError("wrong_shape", "no topic")
        for rule, conditions, target in self._rules:
            if rule.takes(topic) and (not conditions or _hold(conditions, headers, values)):
                return target.route(rule.op, topic, headers, values, body)
        raise UnfitEventError("unknown_topic", "no object of the source's file accepts this event", topic)


class _Target:
    def __init__(self, name: str, item: Object, lookups: Lookups) -> None:
        self._name, self._item = name, item
        self._key = lookups.text(item.key, strict=True)
        self._moment = lookups.moment(item.updated_at)
        self._tie = lookups.text(item.tie)

    def route(self, op: str, topic: str, headers: Headers, values: Values, body: bytes) -> Route:
        key = self._key(headers, values)
        if not key:
            raise UnfitEventError("no_key", "the key is missing, empty or no scalar", topic, self._name)
        if op == "d" and self._item.bare_deletes:
            self._check_bare(body, topic)
            time = FINAL
        else:
            time = self._time(topic, headers, values)
        position = f"{time}-{self._item.rank.get(topic, 0):02d}-{self._break_tie(headers, values, body)}"
        return Route(topic, self._name, op, position)

    def _time(self, topic: str, headers: Headers, values: Values) -> str:
        if self._item.updated_at is None:
            return UNKNOWN_TIME
        try:
            moment = self._moment(headers, values)
        except BadValueError as error:
            raise UnfitEventError("bad_time", str(error), topic, self._name) from error
        if moment is None:
            raise UnfitEventError("no_time", "the update time is missing", topic, self._name)
        if moment < 0:
            raise UnfitEventError("bad_time", "an update time before 1970", topic, self._name)
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
            raise UnfitEventError("delete_with_content", f"{len(full)} fields beside the ids", topic, self._name)


def _conditions(lookups: Lookups, where: dict[str, str]) -> Conditions:
    return [(lookups.text(parse_places(place)), wanted) for place, wanted in where.items()]


def _hold(conditions: Conditions, headers: Headers, values: Values) -> bool:
    return all(lookup(headers, values) == wanted for lookup, wanted in conditions)
