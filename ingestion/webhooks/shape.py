"""Reading a few paths of a JSON body without building the rest: msgspec structs made from the paths."""

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any

import msgspec

from ingestion.errors import UsageError

ABSENT = msgspec.Raw(b"")

Path = tuple[str, ...]


class Shape:
    """Decodes the values at `paths`, in their order; a path that is not there gives its default.

    `types` gives each path's msgspec type and default, else its exact text (`Raw`, empty when absent). The
    whole body is checked to be JSON; what is on the way to a path must be an object (msgspec.ValidationError) or
    null, which is like an object with nothing in it.
    """

    def __init__(self, paths: Sequence[Path], types: Sequence[tuple[Any, Any]] | None = None) -> None:
        tree: dict[str, Any] = {}
        leaves = types or [(msgspec.Raw, ABSENT)] * len(paths)
        for path, leaf in zip(paths, leaves, strict=True):
            self._plant(tree, path, leaf)
        self._decoder = msgspec.json.Decoder(self._struct(tree))
        names = [self._attribute(tree, path) for path in paths]
        self._steps = [(name.split("."), default) for name, (_, default) in zip(names, leaves, strict=True)]
        self._get: Callable[[Any], tuple[Any, ...]]
        if len(names) == 1:
            get = attrgetter(names[0])
            self._get = lambda found: (get(found),)
        else:
            self._get = attrgetter(*names) if names else lambda _: ()

    def read(self, body: bytes | msgspec.Raw) -> tuple[Any, ...]:
        """Raises msgspec.ValidationError for another shape, msgspec.DecodeError or RecursionError for no JSON."""
        found = self._decoder.decode(body)
        try:
            return self._get(found)
        except AttributeError:  # a null on the way to a path
            return tuple(self._get_one(found, names, default) for names, default in self._steps)

    @staticmethod
    def _get_one(found: Any, names: Sequence[str], default: Any) -> Any:
        for name in names:
            if found is None:
                return default
            found = getattr(found, name)
        return found

    @staticmethod
    def _plant(tree: dict[str, Any], path: Path, leaf: tuple[Any, Any]) -> None:
        for step in path[:-1]:
            tree = tree.setdefault(step, {})
            if not isinstance(tree, dict):
                break
        if not isinstance(tree, dict) or path[-1] in tree:
            raise UsageError(f"path {'.'.join(path)}: it is read as a whole and in parts, or twice; keep one")
        tree[path[-1]] = leaf

    def _struct(self, tree: dict[str, Any]) -> type[msgspec.Struct]:
        fields: list[tuple[str, Any, Any]] = []
        for number, below in enumerate(tree.values()):
            if isinstance(below, dict):
                nested = self._struct(below)
                fields.append((f"f{number}", nested | None, msgspec.field(default_factory=nested)))
            else:
                fields.append((f"f{number}", *below))
        rename = {f"f{number}": step for number, step in enumerate(tree)}
        return msgspec.defstruct("Shape", fields, rename=rename, gc=False)

    @staticmethod
    def _attribute(tree: dict[str, Any], path: Path) -> str:
        names = []
        for step in path:
            names.append(f"f{list(tree).index(step)}")
            tree = tree[step]
        return ".".join(names)
