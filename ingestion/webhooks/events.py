"""From a verified request to raw rows, or to the reason why not. The same bytes always give the same result."""

import json
from collections.abc import Mapping
from functools import lru_cache
from hashlib import sha256
from typing import Any, NamedTuple

import msgspec
import pyarrow as pa
from msgspec import Raw

from ingestion.errors import UsageError
from ingestion.reasons import NOT_JSON, SIGNATURE, WRONG_SHAPE, Reason
from ingestion.webhooks.columns import TYPES, BadValueError
from ingestion.webhooks.journal import Delivery
from ingestion.webhooks.lookup import Headers, Lookups, Values
from ingestion.webhooks.objects import ObjectColumns
from ingestion.webhooks.routing import Router, UnfitEventError
from ingestion.webhooks.sources import SourceConfig

_DECODER = json.JSONDecoder()
_TIME = pa.timestamp("us", tz="UTC")
_PLATFORM = [
    pa.field("_payload", pa.string()),
    pa.field("_webhook_topic", pa.string()),
    pa.field("_webhook_id", pa.string()),
    pa.field("_api_version", pa.string()),
    pa.field("_account", pa.string()),
    pa.field("_received_at", _TIME),
    pa.field("_event_id", pa.string()),
    pa.field("_op", pa.string()),
    pa.field("_load_type", pa.string()),
    pa.field("_position", pa.string()),
    pa.field("_source_at", _TIME),
    pa.field("_loaded_at", _TIME),
    pa.field("_run_id", pa.string()),
]


class RawRow(NamedTuple):
    """One row of `raw.<table>`: `raw_schema` without its last two columns.

    Times are microseconds since 1970, `_payload` is the text's UTF-8 bytes. `notes` are properties of the table that
    the row's commit sets.
    """

    table: str
    values: tuple[Any, ...]
    notes: Mapping[str, str] | None = None


class Rejected(NamedTuple):
    """One event, or a whole unreadable body, for the quarantine; `event_id` is stable like that of a row."""

    source: str
    reason: Reason
    detail: str
    topic: str | None
    body: bytes
    received_at: int
    headers: bytes
    event_id: str
    object: str | None = None


class Inspection(NamedTuple):
    """What the door needs: the id that repeats share, the reason for the quarantine if there is one, and of a good
    single event its object."""

    delivery_id: bytes
    reason: str | None
    object: str | None = None


class Reader:
    """`inspect` and `split` of one source, with everything derived from its file prepared once.

    Raises UsageError for a file that reads a value as a whole and in parts.
    """

    def __init__(self, source: SourceConfig) -> None:
        self.source = source
        lookups = Lookups(source.data_path)
        self._router = Router(source, lookups)
        self._delivery_parts = [(lookups.text(part), part.optional) for part in source.delivery_id]
        self._event_parts = [(lookups.text(part), part.optional) for part in source.identity]
        self._webhook_id = lookups.text(source.webhook_id)
        self._api_version = lookups.text(source.api_version)
        self._account = lookups.text(source.account)
        self._source_at = lookups.moment(source.source_at)
        paths = lookups.paths()
        try:
            self._shape = lookups.shape()
            self._columns = {name: ObjectColumns(source, item, paths) for name, item in source.objects.items()}
        except UsageError as error:
            raise UsageError(f"config/webhooks/{source.source}.yaml: {error}") from error

    def inspect(self, headers: Headers, body: bytes) -> Inspection:
        """The door's part; `headers` by lower-case name hold at least the source's `kept_headers`."""
        if self.source.batch:
            return self._inspect_batch(headers, body)
        try:
            values = self._read(body)
        except UnfitEventError as error:
            return Inspection(self._unread(error, body), error.reason)
        delivery_id = self._identity(self._delivery_parts, headers, values, body)
        try:
            name = self._router.check(headers, values, body)
        except UnfitEventError as error:
            return Inspection(delivery_id, error.reason)
        return Inspection(delivery_id, None, name)

    def split(self, delivery: Delivery) -> list[RawRow | Rejected]:
        """One result per event, in the body's order; an empty batch gives none. No body makes it raise."""
        if delivery.reason == SIGNATURE:
            error = UnfitEventError(SIGNATURE, "a sample of requests whose signature did not verify")
            return [self._rejected(delivery, error, delivery.body, delivery.delivery_id)]
        headers: dict[str, str] = msgspec.json.decode(delivery.headers)
        if not self.source.batch:
            return [self._event(delivery, headers, delivery.body)]
        try:
            elements = _elements(delivery.body)
        except UnfitEventError as error:
            return [self._rejected(delivery, error, delivery.body, delivery.delivery_id)]
        return [self._event(delivery, headers, element) for element in elements]

    def _inspect_batch(self, headers: Headers, body: bytes) -> Inspection:
        """A batch is one delivery: its id is made of its elements', so that a counter of attempts does not matter."""
        try:
            elements = _elements(body)
        except UnfitEventError as error:
            return Inspection(self._unread(error, body), error.reason)
        ids = []
        for element in elements:
            try:
                ids.append(self._identity(self._event_parts, headers, self._read(element), element))
            except UnfitEventError as error:
                ids.append(self._unread(error, element))
        return Inspection(self._digest(["batch", *(identity.hex() for identity in sorted(ids))]), None)

    def _event(self, delivery: Delivery, headers: Headers, body: bytes) -> RawRow | Rejected:
        event_id = None
        is_judged = delivery.reason is None and not self.source.batch  # the door found nothing wrong in this body
        likely = self._router.likely_object(headers) if is_judged else None
        found = None if likely is None else self._columns[likely].read_with_lookups(body)
        try:
            values = self._read(body) if found is None else found[0]
            event_id = self._identity(self._event_parts, headers, values, body)
            topic, name, op, position = self._router.route(headers, values, body)
            row = self._columns[name].read(body, topic, name) if found is None or name != likely else found[1]
        except UnfitEventError as error:
            return self._rejected(delivery, error, body, event_id or self._unread(error, body))
        platform = (
            body,
            topic,
            self._webhook_id(headers, values),
            self._api_version(headers, values),
            self._account(headers, values),
            delivery.received_at,
            event_id.hex(),
            op,
            "webhook",
            position,
            self._stamp(headers, values),
        )
        return RawRow(f"{self.source.source}_{name}", (*row, *platform))

    def _rejected(self, delivery: Delivery, error: UnfitEventError, body: bytes, event_id: bytes) -> Rejected:
        return Rejected(
            self.source.source,
            error.reason,
            error.detail,
            error.topic,
            body,
            delivery.received_at,
            delivery.headers,
            event_id.hex(),
            error.object_name,
        )

    def _read(self, body: bytes) -> Values:
        try:
            if not body.isascii():
                body.decode()
            return self._shape.read(body)
        except msgspec.ValidationError as error:
            _check_json(body)
            raise UnfitEventError(WRONG_SHAPE, str(error)) from error
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise UnfitEventError(NOT_JSON, str(error)) from error

    def _stamp(self, headers: Headers, values: Values) -> int | None:
        """None where the sender's stamp is unreadable: nothing is ordered or keyed by it."""
        try:
            return self._source_at(headers, values)
        except BadValueError:
            return None

    def _identity(self, parts: list[Any], headers: Headers, values: Values, body: bytes) -> bytes:
        """16 bytes made of the parts; where a needed part is missing or blank, the body's hash stands in for it."""
        texts: list[str | None] = []
        for lookup, optional in parts:
            text = lookup(headers, values)
            if optional or (text and not text.isspace()):
                texts.append(text)
            else:
                texts += [None, sha256(body).hexdigest()]
        return self._digest(texts)

    def _unread(self, error: UnfitEventError, body: bytes) -> bytes:
        return self._digest([error.reason, sha256(body).hexdigest()])

    def _digest(self, parts: list[Any]) -> bytes:
        encoded = ["-" if part is None else f"{len(part)}:{part}" for part in parts]
        return sha256(f"{self.source.source};{''.join(encoded)}".encode()).digest()[:16]


def _elements(body: bytes) -> list[bytes]:
    """The exact text of each element of a JSON array."""
    try:
        body.decode()
        return [bytes(element) for element in msgspec.json.decode(body, type=list[Raw])]
    except msgspec.ValidationError as error:
        _check_json(body)
        raise UnfitEventError(WRONG_SHAPE, str(error)) from error
    except UnicodeDecodeError as error:
        raise UnfitEventError(NOT_JSON, str(error)) from error
    except (msgspec.DecodeError, RecursionError) as error:
        return _lenient_elements(body.decode(), str(error))


def _lenient_elements(text: str, problem: str) -> list[bytes]:
    """The same where an element holds what Python alone reads, as half of a surrogate pair: the others are good still.

    Raises UnfitEventError with `problem` where that is no JSON array either.
    """
    found = []
    try:
        if not isinstance(json.loads(text), list):
            raise UnfitEventError(NOT_JSON, problem)
        place = _past_blanks(text, text.index("[") + 1)
        while text[place] != "]":
            end = _DECODER.raw_decode(text, place)[1]
            found.append(text[place:end].encode())
            place = _past_blanks(text, end)
    except (ValueError, RecursionError) as error:
        raise UnfitEventError(NOT_JSON, problem) from error
    return found


def _past_blanks(text: str, place: int) -> int:
    """Where the next element of an array begins, or it ends."""
    while text[place] in " \t\n\r,":
        place += 1
    return place


def _check_json(body: bytes) -> None:
    """msgspec stops at the first wrong type, so the rest is looked at here."""
    try:
        msgspec.json.decode(body, type=Raw)
    except (msgspec.DecodeError, RecursionError) as error:
        raise UnfitEventError(NOT_JSON, str(error)) from error


@lru_cache(maxsize=256)
def reader(source: SourceConfig) -> Reader:
    """The one Reader of `source`."""
    return Reader(source)


def inspect(source: SourceConfig, headers: Headers, body: bytes) -> Inspection:
    """See Reader.inspect."""
    return reader(source).inspect(headers, body)


def split(source: SourceConfig, delivery: Delivery) -> list[RawRow | Rejected]:
    """See Reader.split."""
    return reader(source).split(delivery)


def raw_schema(source: SourceConfig, object_name: str) -> pa.Schema:
    """All columns of `raw.<source>_<object>`: a RawRow's values in their order, then `_loaded_at` and `_run_id`."""
    columns = source.objects[object_name].columns
    return pa.schema([pa.field(name, TYPES[column.type].arrow) for name, column in columns.items()] + _PLATFORM)
