"""config/webhooks/<source>.yaml: who signs, what identifies a delivery, and which columns an object has."""

import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)

from ingestion.config import load_yaml
from ingestion.errors import UsageError
from ingestion.webhooks.columns import TYPES
from ingestion.webhooks.places import AnyPlaces, Places, parse_places

_COLUMN = re.compile(r"[a-z][a-z0-9_]*")
_TAKEN = frozenset({"poll", "unknown"})  # polled rows go by the first, requests to no source by the second
SIGNATURE_HEADERS = {
    "shopify": ("shopify-hmac-sha256", "x-shopify-hmac-sha256"),
    "stripe": ("stripe-signature",),
    "hubspot": (
        "x-hubspot-signature-v3",
        "x-hubspot-request-timestamp",
        "x-hubspot-signature",
        "x-hubspot-signature-version",
    ),
    "standard": ("webhook-signature", "webhook-timestamp", "webhook-id"),
}


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Signature(_Model):
    """`tolerance_seconds` bounds |now - t| both ways where the scheme signs a time."""

    scheme: Literal["shopify", "stripe", "hubspot", "standard"]
    tolerance_seconds: int = Field(default=300, ge=1)


def _time(value: Any) -> Any:
    return {"at": value} if isinstance(value, str) else value


class Time(_Model):
    """A place and how the time there is written; a bare text means ISO 8601."""

    at: AnyPlaces
    format: Literal["iso", "seconds", "milliseconds"] = "iso"


AnyTime = Annotated[Time, BeforeValidator(_time)]


def _by_place(value: dict[str, str]) -> dict[str, str]:
    for place in value:
        parse_places(place)
    return value


Where = Annotated[dict[str, str], AfterValidator(_by_place)]
"""Shell patterns by place."""


class Accept(_Model):
    """One rule by which an event belongs to an object; the first rule that fits decides, in the file's order.

    `topics` and the values of `where` (by place) are shell patterns; a place that is absent fits none,
    unless it is marked as optional (`?`).
    """

    op: Literal["c", "u", "d"]
    topics: tuple[str, ...] = ("*",)
    where: Where = {}

    def takes(self, topic: str) -> bool:
        return any(fnmatchcase(topic, pattern) for pattern in self.topics)


class Column(_Model):
    """`path` starts at `data`, or after `body:` at the top of the body."""

    path: str
    type: str

    @model_validator(mode="after")
    def _known_type(self) -> "Column":
        if self.type not in TYPES:
            raise ValueError(f"column type {self.type!r}: write one of {', '.join(TYPES)}")
        places = parse_places(self.path)
        if len(places.choices) != 1 or places.choices[0].kind == "header":
            raise ValueError(f"column path {self.path!r}: write one path of the body")
        return self


def _columns(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {name: {"path": name, "type": item} if isinstance(item, str) else item for name, item in value.items()}


class Object(_Model):
    """What becomes one raw table.

    `bare_deletes` lists the fields a delete may carry: such a delete has no time, is final, and is
    quarantined when any other field of it holds something.
    """

    accept: tuple[Accept, ...] = Field(min_length=1)
    key: AnyPlaces
    updated_at: AnyTime | None = None
    tie: AnyPlaces | None = None
    rank: dict[str, Annotated[int, Field(ge=0, le=99)]] = {}
    bare_deletes: tuple[str, ...] = ()
    columns: Annotated[dict[str, Column], BeforeValidator(_columns)] = Field(min_length=1)

    @model_validator(mode="after")
    def _names(self) -> "Object":
        for name in self.columns:
            if not _COLUMN.fullmatch(name):
                raise ValueError(f"column {name!r}: write snake_case, not starting with an underscore")
        return self


class Example(_Model):
    """One real request without its signature; the conformance suite signs and posts it."""

    headers: dict[str, str] = {}
    body: Any

    @cached_property
    def body_bytes(self) -> bytes:
        return msgspec.json.encode(self.body)


def _secrets(value: Any) -> Any:
    if value is None:
        return ()
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


class SourceConfig(_Model):
    """One sender; docs/ describes the file field by field. Without secrets it refuses every request."""

    source: str = Field(pattern=r"^[a-z][a-z0-9]*$")
    signature: Signature
    secrets: Annotated[tuple[SecretStr, ...], BeforeValidator(_secrets)] = ()
    keep_ids_hours: int = Field(default=96, ge=1)
    requests_per_second: int = Field(default=0, ge=0, description="0 means the server's own limit")
    batch: bool = False
    delivery_id: tuple[AnyPlaces, ...] = ()
    event_id: tuple[AnyPlaces, ...] = ()
    topic: AnyPlaces
    webhook_id: AnyPlaces | None = None
    api_version: AnyPlaces | None = None
    source_at: AnyTime | None = None
    account: AnyPlaces | None = None
    data: str = ""
    quarantine_when: dict[str, Where] = {}
    objects: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")], Object] = Field(min_length=1)
    example: Example

    @model_validator(mode="after")
    def _identified(self) -> "SourceConfig":
        if self.source in _TAKEN:
            raise ValueError(f"a source cannot be called {self.source}: the name is used already, give it another")
        if self.batch and (self.delivery_id or not self.event_id):
            raise ValueError("a batch is identified by its elements: write event_id and no delivery_id")
        if not self.batch and not self.delivery_id:
            raise ValueError("delivery_id is missing: name what is equal in repeats of one delivery")
        if self.data and any(item.bare_deletes for item in self.objects.values()):
            raise ValueError("bare_deletes needs the object to be the whole body, without `data`")
        return self

    def __hash__(self) -> int:
        return hash(self.source)

    @cached_property
    def data_path(self) -> tuple[str, ...]:
        """The way to the object in the body; empty where the body is the object."""
        return tuple(self.data.split(".")) if self.data else ()

    def column_path(self, column: Column) -> tuple[str, ...]:
        """The way to `column` from the top of the body."""
        place = parse_places(column.path).choices[0]
        return self.data_path + place.path if place.kind == "data" else place.path

    @cached_property
    def identity(self) -> tuple[Places, ...]:
        """The parts of `_event_id`, of each element where the body is a batch."""
        return self.event_id or self.delivery_id

    @cached_property
    def kept_headers(self) -> tuple[str, ...]:
        """Headers kept with a delivery: those the file names, and what helps to find the sender. No signatures."""
        places = [*self.delivery_id, *self.event_id, self.topic, self.webhook_id, self.api_version, self.account]
        places += [time.at for time in (self.source_at, *(o.updated_at for o in self.objects.values())) if time]
        places += [place for o in self.objects.values() for place in (o.key, o.tie)]
        wheres = [*self.quarantine_when.values(), *(rule.where for o in self.objects.values() for rule in o.accept)]
        places += [parse_places(place) for where in wheres for place in where]
        named = [name for place in places if place is not None for name in place.headers()]
        return tuple(dict.fromkeys([*named, "content-type", "user-agent"]))


def load_source(path: Path, environment: Mapping[str, str] | None = None) -> SourceConfig:
    """Read one file; raises UsageError that names the file and each wrong field."""
    document = load_yaml(path, environment)
    try:
        source = SourceConfig.model_validate(document)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'file'}: {e['msg']}" for e in error.errors())
        raise UsageError(f"{path}: {problems}") from error
    if source.source != path.stem:
        raise UsageError(f"{path}: the file of source {source.source!r} is named {source.source}.yaml")
    return source


def load_sources(config_dir: Path, environment: Mapping[str, str] | None = None) -> dict[str, SourceConfig]:
    """Every source of `config_dir`/webhooks by name, in alphabetical order."""
    files = sorted((config_dir / "webhooks").glob("*.yaml"))
    if not files:
        raise UsageError(f"{config_dir / 'webhooks'}: no source found; `frazil scaffold webhook NAME` writes one")
    return {source.source: source for source in (load_source(path, environment) for path in files)}
