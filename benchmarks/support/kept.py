"""Parts of a long benchmark that are kept in a folder, FRAZIL_BENCH_KEEP, so that they need not be made in one run."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import msgspec

Part = TypeVar("Part")

_FOLDER = os.environ.get("FRAZIL_BENCH_KEEP")


def kept(name: str, kind: type[Part], make: Callable[[], Part]) -> Part:
    """What `make` gives; read from the folder if it is there under this name. Without a folder it is made each time."""
    if _FOLDER is None:
        return make()
    path = Path(_FOLDER) / f"{name}.json"
    if not path.exists():
        path.write_bytes(msgspec.json.encode(make()))
    return msgspec.json.decode(path.read_bytes(), type=kind)
