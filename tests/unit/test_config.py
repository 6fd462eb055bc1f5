from pathlib import Path

import pytest

from ingestion.config import load_yaml
from ingestion.errors import UsageError


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "source.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_variables_are_filled_in_at_any_depth(tmp_path: Path) -> None:
    path = written(tmp_path, "a: {b: ['${HOST}:${PORT:80}']}\nnumber: 5")

    assert load_yaml(path, {"HOST": "db"}) == {"a": {"b": ["db:80"]}, "number": 5}


def test_a_set_variable_wins_over_its_default_even_if_empty(tmp_path: Path) -> None:
    path = written(tmp_path, "a: '${NAME:fallback}'")

    assert load_yaml(path, {"NAME": ""}) == {"a": ""}


def test_a_missing_variable_is_named_with_its_file(tmp_path: Path) -> None:
    path = written(tmp_path, "a: ${NOT_SET}")

    with pytest.raises(UsageError, match=r"source\.yaml.*NOT_SET"):
        load_yaml(path, {})


def test_broken_yaml_and_a_missing_file_are_usage_errors(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not valid YAML"):
        load_yaml(written(tmp_path, "a: [1"), {})
    with pytest.raises(UsageError, match="cannot be read"):
        load_yaml(tmp_path / "absent.yaml", {})


def test_a_file_in_another_encoding_is_named(tmp_path: Path) -> None:
    path = tmp_path / "source.yaml"
    path.write_bytes("name: Müller".encode("latin-1"))

    with pytest.raises(UsageError, match=r"source\.yaml: not UTF-8 .*at byte 7"):
        load_yaml(path, {})
