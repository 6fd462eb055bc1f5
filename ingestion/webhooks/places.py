"""Where a value of a request is: the small language of config/webhooks/*.yaml.

`header:<name>` is a header, `body:<path>` a path from the top of the body (of a batch: of the element),
a bare path starts at `data`. `a|b` takes the first that is there; a closing `?` says it may be absent.
"""

import re
from typing import Annotated, Any, NamedTuple

from pydantic import BeforeValidator

_HEADER = re.compile(r"[a-z0-9-]+")
_STEP = re.compile(r"[A-Za-z0-9_$-]+")


class Place(NamedTuple):
    """One header (`path` holds its name) or one path; `kind` is header, body or data."""

    kind: str
    path: tuple[str, ...]


class Places(NamedTuple):
    """The first of `choices` that is there; `optional` only matters for the parts of an identity."""

    choices: tuple[Place, ...]
    optional: bool = False

    def headers(self) -> list[str]:
        return [place.path[0] for place in self.choices if place.kind == "header"]


def parse_places(text: Any) -> Places:
    """Read `header:a|body:b.c?`; raises ValueError, which pydantic reports with the file's place."""
    if isinstance(text, Places):
        return text
    if not isinstance(text, str) or not text.strip("? "):
        raise ValueError(f"{text!r} is no place; write header:<name>, body:<path> or a path below data")
    wanted = text.strip()
    return Places(tuple(_parse_one(part.strip()) for part in wanted.rstrip("?").split("|")), wanted.endswith("?"))


def _parse_one(text: str) -> Place:
    kind, colon, rest = text.partition(":")
    if not colon:
        kind, rest = "data", text
    if kind == "header":
        if not _HEADER.fullmatch(rest):
            raise ValueError(f"{text!r}: a header's name is written in lower case, as in header:x-topic")
        return Place(kind, (rest,))
    path = tuple(rest.split("."))
    if kind not in ("body", "data") or not all(_STEP.fullmatch(step) for step in path):
        raise ValueError(f"{text!r} is no place; write header:<name>, body:<path> or a path below data")
    return Place(kind, path)


AnyPlaces = Annotated[Places, BeforeValidator(parse_places)]
