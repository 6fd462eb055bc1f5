"""A new source from one example event: what its configuration, staging model and model YAML should say."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ingestion.errors import UsageError
from ingestion.webhooks.columns import BadValueError, iso_time
from ingestion.webhooks.places import parse_places

Scheme = Literal["standard", "shopify", "stripe", "hubspot"]

_SOURCE_NAME = re.compile(r"[a-z][a-z0-9]*")
_OBJECT_NAME = re.compile(r"[a-z][a-z0-9_]*")
_MONEY = re.compile(r"-?[0-9]{1,16}\.[0-9]{1,3}")
_TOPIC_FIELDS = ("type", "event_type", "eventType", "subscriptionType", "event", "topic")
_TIME_FIELDS = ("updated_at", "updatedAt", "modified_at", "modifiedAt", "updated", "last_modified")
_EVENT_TIME_FIELDS = ("timestamp", "occurred_at", "occurredAt", "created_at", "createdAt", "created")
_DELIVERY: dict[str, list[str]] = {
    "standard": ["header:webhook-id"],
    "shopify": ["header:x-shopify-topic", "header:x-shopify-webhook-id"],
    "stripe": ["body:id"],
    "hubspot": [],
}
_RESERVED = frozenset(
    {
        *("all", "and", "as", "between", "by", "case", "cast", "create", "cross", "current_date", "distinct", "else"),
        *("end", "exists", "false", "for", "from", "full", "group", "having", "in", "inner", "insert", "into", "is"),
        *("join", "left", "like", "limit", "natural", "not", "null", "offset", "on", "or", "order", "outer", "primary"),
        *("right", "select", "table", "then", "to", "true", "union", "unique", "user", "using", "values", "when"),
        *("where", "with"),
    }
)
_MONEY_WORDS = re.compile(r"(?:amount|balance|cost|discount|fee|gross|net|price|refund|revenue|sum|tax|total)s?(?:_|$)")
_WIDEST_FLATTENED = 8


@dataclass(frozen=True)
class Wishes:
    """What the caller said; everything left None is inferred from the example."""

    source: str
    scheme: Scheme = "standard"
    object_name: str | None = None
    key: str | None = None
    topic: str | None = None
    updated_at: str | None = None


@dataclass(frozen=True)
class Column:
    """A raw column: its name, where its value is below the object, and its type."""

    name: str
    path: str
    type: str


@dataclass(frozen=True)
class Plan:
    """All that the three files say."""

    source: str
    scheme: Scheme
    object_name: str
    entity: str
    batch: bool
    delivery_id: list[str]
    event_id: list[str]
    topic: str
    data: str
    key: str
    updated_at: str | None
    updated_at_format: str
    source_at: str | None
    source_at_format: str
    rules: list[tuple[str, list[str]]]
    columns: list[Column]
    headers: dict[str, str]
    body: Any
    notes: list[str] = field(default_factory=list)


def planned(wishes: Wishes, example: Any) -> Plan:
    """Infer a source from `example`: a body, or `{"headers": {...}, "body": ...}`.

    Raises UsageError that names the option to give when something cannot be found.
    """
    if not _SOURCE_NAME.fullmatch(wishes.source):
        raise UsageError(f"source {wishes.source!r}: write one word of a-z and 0-9, without underscore, like 'acme'")
    for option, wish in (("--topic", wishes.topic), ("--key", wishes.key), ("--updated-at", wishes.updated_at)):
        _check_place(option, wish)
    headers, body = _parts(example)
    batch = isinstance(body, list)
    event = body[0] if batch and body else body
    if not isinstance(event, dict):
        raise UsageError("the example must be a JSON object, or an array of them for a sender of batches")
    data = _data(event)
    content = _at(event, data)
    topic = _topic(wishes, headers, event)
    topic_text = _read(topic, headers, event, content)
    if topic_text is None:
        raise UsageError(f"--topic {topic}: there is no text there in the example")
    entity_word, separator, _ = _split_topic(topic_text)
    object_name = wishes.object_name or _plural(_snake(entity_word))
    if not _OBJECT_NAME.fullmatch(object_name):
        raise UsageError(f"--object {object_name!r}: write snake_case, as in 'tickets'")
    key = wishes.key or _first(content, ("id", "uuid", "key", f"{_singular(object_name)}_id", "objectId", "object_id"))
    if key is None:
        raise UsageError(
            "--key is needed: the object has no id, uuid or key; write its path, as in --key ticket.number"
        )
    notes: list[str] = []
    updated_at = wishes.updated_at or _update_time(event, content, data)
    moment = None if updated_at is None else _at_place(updated_at, headers, event, content)
    if updated_at is None:
        notes.append("no update time was found: repeats and late events cannot be ordered; give --updated-at PATH")
    elif moment is None:
        raise UsageError(f"--updated-at {updated_at}: there is no value there in the example")
    source_at = _source_time(updated_at, event) if data else None
    columns, left_out = _columns(content, key)
    if left_out:
        names = ", ".join(json.dumps(name, ensure_ascii=False) for name in left_out)
        notes.append(f"no column is made of {names}: no path can name it; it stays in _payload")
    return Plan(
        source=wishes.source,
        scheme=wishes.scheme,
        object_name=object_name,
        entity=_singular(object_name),
        batch=batch,
        delivery_id=[] if batch else _DELIVERY[wishes.scheme] or ["header:webhook-id"],
        event_id=_identifying(event) if batch else [],
        topic=topic,
        data=data,
        key=key,
        updated_at=updated_at,
        updated_at_format=_time_format(moment),
        source_at=source_at,
        source_at_format=_time_format(None if source_at is None else _at_place(source_at, headers, event, content)),
        rules=_rules(entity_word, separator),
        columns=columns,
        headers=headers,
        body=body,
        notes=notes,
    )


def _parts(example: Any) -> tuple[dict[str, str], Any]:
    if isinstance(example, dict) and set(example) == {"headers", "body"} and isinstance(example["headers"], dict):
        return {str(name).lower(): str(value) for name, value in example["headers"].items()}, example["body"]
    return {}, example


def _data(event: Mapping[str, Any]) -> str:
    """Where the object is: below `data.object` or `data` if there is an envelope, else the body itself."""
    inner = event.get("data")
    if isinstance(inner, dict):
        return "data.object" if isinstance(inner.get("object"), dict) else "data"
    return ""


def _topic(wishes: Wishes, headers: Mapping[str, str], event: Mapping[str, Any]) -> str:
    if wishes.topic:
        return wishes.topic
    for name in headers:
        if name.endswith(("-topic", "-event")) and _is_place(f"header:{name}"):
            return f"header:{name}"
    found = next((name for name in _TOPIC_FIELDS if isinstance(event.get(name), str)), None)
    if found is None:
        raise UsageError("--topic is needed: write body:<path> or header:<name> of the event's type")
    return f"body:{found}"


def _split_topic(topic: str) -> tuple[str, str, str]:
    """'ticket.created' as ('ticket', '.', 'created'); a word alone has no separator."""
    found = re.search(r"^(.*)([./:])([^./:]+)$", topic)
    return (found[1], found[2], found[3]) if found else (topic, "", "")


def _rules(entity: str, separator: str) -> list[tuple[str, list[str]]]:
    if not separator:
        return [("u", ["*"])]
    start = f"{entity}{separator}"
    return [("c", [f"{start}creat*"]), ("d", [f"{start}delet*"]), ("u", [f"{start}*"])]


def _update_time(event: Mapping[str, Any], content: Mapping[str, Any], data: str) -> str | None:
    found = _first(content, _TIME_FIELDS)
    if found:
        return found
    envelope = _first(event, (*_TIME_FIELDS, *_EVENT_TIME_FIELDS))
    return f"body:{envelope}" if envelope and data else envelope


def _source_time(updated_at: str | None, event: Mapping[str, Any]) -> str | None:
    """When the sender says that it happened: a time of the envelope."""
    if updated_at is not None and updated_at.startswith("body:"):
        return updated_at
    found = _first(event, _EVENT_TIME_FIELDS)
    return f"body:{found}" if found else None


def _time_format(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return "milliseconds" if value > 10**11 else "seconds"
    return "iso"


def _identifying(event: Mapping[str, Any]) -> list[str]:
    """Of a batch's element: every plain field; a counter of attempts must not make a repeat another event."""
    return [
        f"body:{name}?"
        for name, value in event.items()
        if not isinstance(value, dict | list) and "attempt" not in name.lower() and _is_step(name)
    ]


def _check_place(option: str, wish: str | None) -> None:
    try:
        if wish is not None:
            parse_places(wish)
    except ValueError as error:
        raise UsageError(f"{option}: {error}") from error


def _is_place(text: str) -> bool:
    try:
        parse_places(text)
    except ValueError:
        return False
    return True


def _is_step(name: str) -> bool:
    """Whether a path can name the field, and a column can be named after it."""
    return not set(".:|?") & set(name) and _is_place(name) and _column_name(name) != ""


def _columns(content: Mapping[str, Any], key: str) -> tuple[list[Column], list[str]]:
    """The columns, and the fields that none can be made of."""
    found: list[Column] = []
    left_out = [name for name in content if not _is_step(name)]
    for name, value in content.items():
        if name in left_out:
            continue
        if _is_small_object(value):
            found += [_column(f"{name}.{below}", item, key) for below, item in value.items()]
        else:
            found.append(_column(name, value, key))
    if key not in {column.path for column in found} and ":" not in key:
        found.insert(0, Column(_column_name(key), key, "id"))
        whole = key.split(".", maxsplit=1)[0]
        found = [column for column in found if column.path != whole or column.path == key]
    return _distinct(found), left_out


def _is_small_object(value: Any) -> bool:
    if not isinstance(value, dict) or not 0 < len(value) <= _WIDEST_FLATTENED:
        return False
    return not any(isinstance(item, dict | list) or not _is_step(name) for name, item in value.items())


def _column(path: str, value: Any, key: str) -> Column:
    name = _column_name(path)
    return Column(name, path, "id" if path == key else _type(name, value))


def _type(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, dict | list):
        return "json"
    if isinstance(value, int):
        if name.endswith(("_at", "created", "updated", "timestamp", "_time")) and value > 10**8:
            return "timestamp_milliseconds" if value > 10**11 else "timestamp_seconds"
        return "string" if name.endswith("_id") or abs(value) >= 2**63 else "long"
    if isinstance(value, float):
        return "money" if _MONEY_WORDS.search(name) else "string"
    if isinstance(value, str) and _MONEY.fullmatch(value) and _MONEY_WORDS.search(name):
        return "money"
    return "timestamp" if isinstance(value, str) and _is_time(value) else "string"


def _is_time(text: str) -> bool:
    try:
        iso_time(text)
    except BadValueError:
        return False
    return True


def _column_name(path: str) -> str:
    name = _snake(path)
    return f"{name}_value" if name in _RESERVED else name


def _snake(text: str) -> str:
    """'requester.firstName' as 'requester_first_name'; empty when nothing usable is left."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", text)
    name = re.sub(r"[^a-z0-9]+", "_", spaced.lower()).strip("_")
    return f"x_{name}" if name[:1].isdigit() else name


def _distinct(columns: list[Column]) -> list[Column]:
    """`a, a, a_2` as `a, a_3, a_2`."""
    named = {column.name for column in columns}
    result: dict[str, Column] = {}
    for column in columns:
        name, number = column.name, 1
        while name in result or (number > 1 and name in named):
            number += 1
            name = f"{column.name}_{number}"
        result[name] = Column(name, column.path, column.type)
    return list(result.values())


def _plural(word: str) -> str:
    word = word or "events"
    if word.endswith("s"):
        return word
    return f"{word[:-1]}ies" if word.endswith("y") and word[-2:-1] not in "aeiou" else f"{word}s"


def _singular(word: str) -> str:
    if word.endswith("ies"):
        return f"{word[:-3]}y"
    return word[:-1] if word.endswith("s") and not word.endswith("ss") else word


def _first(values: Mapping[str, Any], names: tuple[str, ...]) -> str | None:
    return next((n for n in names if values.get(n) not in (None, "") and not isinstance(values[n], dict | list)), None)


def _at(value: Any, path: str) -> Any:
    for step in path.split(".") if path else ():
        value = value.get(step) if isinstance(value, dict) else None
    return value


def _at_place(place: str, headers: Mapping[str, str], event: Any, content: Any) -> Any:
    kind, colon, rest = place.partition(":")
    if not colon:
        return _at(content, place)
    return headers.get(rest) if kind == "header" else _at(event, rest)


def _read(place: str, headers: Mapping[str, str], event: Any, content: Any) -> str | None:
    value = _at_place(place, headers, event, content)
    return value if isinstance(value, str) and value else None
