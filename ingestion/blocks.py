"""A YAML file of named blocks: one top-level key, and below it one block per name that a pydantic model describes."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Generic, TypeVar, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError

from ingestion.config import VARIABLE, load_yaml
from ingestion.errors import UsageError

M = TypeVar("M", bound=BaseModel)
Secrets = Callable[[Mapping[str, Any]], Iterator[tuple[str, Any]]]


@dataclass(frozen=True)
class BlockFile(Generic[M]):
    """One kind of file. `model` has a field `name`, which the block's key fills.

    `noun` is what one block is called, `needs` the fields it cannot do without; `secrets` finds the places of a block
    whose values must come from the environment.
    """

    file: str
    model: type[M]
    top: str
    noun: str
    needs: str
    secrets: Secrets

    def load(self, folder: Path, environment: Mapping[str, str] | None = None) -> dict[str, M]:
        """Every block of the file in `folder` by name.

        Raises UsageError that names each wrong field and the nearest right word.
        """
        path = folder / self.file
        document = load_yaml(path, environment)
        blocks = document.get(self.top) if isinstance(document, dict) else None
        if not isinstance(blocks, dict) or set(document) != {self.top}:
            raise UsageError(f"{path}: write one top-level key, `{self.top}:`, and a block per {self.noun} below it")
        self._refuse_written_secrets(path)
        return {str(name): self._block(path, str(name), block) for name, block in blocks.items()}

    def one(self, folder: Path, blocks: Mapping[str, M], name: str) -> M:
        """The block called `name`; raises UsageError that lists the ones there are."""
        if name not in blocks:
            near = get_close_matches(name, blocks, 1)
            hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(sorted(blocks)) or 'none'}"
            raise UsageError(f"{self.noun} {name!r} is not in {folder / self.file}; {hint}")
        return blocks[name]

    def _block(self, path: Path, name: str, block: Any) -> M:
        if not isinstance(block, dict):
            raise UsageError(f"{path}: {name}: write a block with {self.needs}")
        try:
            return self.model.model_validate({**block, "name": name})
        except ValidationError as error:
            found = error.errors(include_url=False, include_input=False)
            raise UsageError(f"{path}: {'; '.join(self._problem(name, one) for one in found)}") from None

    def _problem(self, name: str, error: Any) -> str:
        place = [name, *(str(part) for part in error["loc"] if error["loc"] != ("name",))]
        message = error["msg"].removeprefix("Value error, ")
        if error["type"] == "extra_forbidden":
            known = [one for one in _model_at(self.model, error["loc"][:-1]).model_fields if one != "name"]
            near = get_close_matches(place[-1], known, 1, 0.5)
            message = f"unknown; did you mean {near[0]}?" if near else f"unknown; there are {', '.join(known)}"
        return f"{'.'.join(place)}: {message}"

    def _refuse_written_secrets(self, path: Path) -> None:
        blocks = yaml.safe_load(path.read_text(encoding="utf-8"))[self.top]
        for name, block in blocks.items():
            for place, value in self.secrets(block) if isinstance(block, dict) else ():
                if value and not VARIABLE.search(str(value)):
                    raise UsageError(
                        f"{path}: {name}.{place}: secrets are not written here; write ${{VARIABLE}} instead"
                    )


def _model_at(model: type[BaseModel], places: tuple[Any, ...]) -> type[BaseModel]:
    """The model of the block at `places` below one of `model`: fields, and keys of fields that map names to blocks."""
    kind: Any = model
    for place in places:
        if get_origin(kind) is dict:
            kind = get_args(kind)[1]
            continue
        kind = kind.model_fields[place].annotation
        if get_origin(kind) is not dict and type(None) in get_args(kind):
            kind = next(one for one in get_args(kind) if one is not type(None))
    found: type[BaseModel] = kind
    return found
