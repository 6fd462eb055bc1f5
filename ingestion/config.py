"""YAML files with `${VAR}` and `${VAR:default}` in any text value."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from dotenv import dotenv_values

from ingestion.errors import UsageError
from ingestion.settings import PROJECT_ROOT, Settings

VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::([^}]*))?\}")


def load_yaml(path: Path, environment: Mapping[str, str] | None = None) -> Any:
    """Read `path` and fill in its variables; an unset variable without default raises UsageError naming it.

    Variables come from `environment`, or else from the process's own; where that has none, from `.env`; where that has
    none either, from the servers that `frazil stack up` started.
    """
    env = own_environment() if environment is None else environment
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: not UTF-8 ({error.reason} at byte {error.start}); save it as UTF-8") from error
    except yaml.YAMLError as error:
        raise UsageError(f"{path}: not valid YAML: {error}") from error
    return _filled(document, env, path)


def own_environment() -> Mapping[str, str]:
    """The variables of this process; where it has none, of `.env` and of the stack's servers."""
    files = (*sorted(Settings().variables_dir.glob("*.env")), PROJECT_ROOT / ".env")
    written = {name: value for file in files for name, value in dotenv_values(file).items() if value is not None}
    return {**written, **os.environ}


def _filled(value: Any, env: Mapping[str, str], path: Path) -> Any:
    if isinstance(value, dict):
        return {key: _filled(item, env, path) for key, item in value.items()}
    if isinstance(value, list):
        return [_filled(item, env, path) for item in value]
    if isinstance(value, str):
        return VARIABLE.sub(lambda match: _lookup(match, env, path), value)
    return value


def _lookup(match: re.Match[str], env: Mapping[str, str], path: Path) -> str:
    name, default = match.group(1), match.group(2)
    found = env.get(name, default)
    if found is None:
        raise UsageError(f"{path}: ${{{name}}} is not set; export {name} or write ${{{name}:default}}")
    return found
