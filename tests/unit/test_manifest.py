"""The dbt project keeps its own rules: layers, names, grains, descriptions, contracts, pinned parents."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dbt.cli.main import dbtRunner

from ingestion.settings import PROJECT_ROOT

LAYERS = ("staging", "semantic", "analytics", "marts", "metadata")
MAY_READ = {
    "staging": {"raw", "staging"},
    "semantic": {"staging", "semantic"},
    "analytics": {"staging", "semantic", "analytics"},
    "marts": {"semantic", "analytics", "marts"},
    "metadata": {"raw", "staging", "semantic", "analytics", "metadata"},
}
REFERENCE = r"(?:ref|source)\((?:\s*'\w+'\s*,?)+\)"
PINNING = (
    r"(?:since_watermark|pinned|is_unchanged|brings_only_new_keys|many_of|changed_keys|latest_changes|database_changes"
    r"|keys_no_more|records_no_more|touched_properties|moved_records|with_merges)"
    rf"\(\s*{REFERENCE}"
)

Node = dict[str, Any]


class Project:
    """The parsed project, as dbt's manifest tells it."""

    def __init__(self, manifest: dict[str, Any]) -> None:
        self._nodes: dict[str, Node] = {**manifest["nodes"], **manifest["sources"]}
        self.exposures: list[Node] = list(manifest["exposures"].values())
        self.models = [node for node in self._nodes.values() if node["resource_type"] == "model"]
        self.seeds = {node["name"] for node in self._nodes.values() if node["resource_type"] == "seed"}
        self.tests = [node for node in self._nodes.values() if node["resource_type"] == "test"]

    def parents(self, node: Node) -> list[Node]:
        """The models and sources a node reads; reference data (seeds) may be read by any."""
        found = [self._nodes[name] for name in node["depends_on"]["nodes"]]
        return [parent for parent in found if parent["resource_type"] != "seed"]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    target = tmp_path_factory.mktemp("target")
    words = ["parse", "--quiet", "--no-partial-parse", "--project-dir", str(PROJECT_ROOT)]
    words += ["--profiles-dir", str(PROJECT_ROOT / "profiles")]
    done = dbtRunner().invoke([*words, "--target-path", str(target), "--log-path", str(target)])
    assert done.success, done.exception
    return Project(json.loads((target / "manifest.json").read_text(encoding="utf-8")))


def layer(node: Node) -> str:
    return "raw" if node["resource_type"] == "source" else str(node["path"].split("/")[0])


def merge_key(model: Node) -> list[str]:
    keys = model["config"].get("unique_key") or []
    return [keys] if isinstance(keys, str) else list(keys)


def grain(model: Node) -> list[str]:
    """The columns named behind "one row per" in the description, up to the end of that clause."""
    found = re.search(r"one row per ((?:(?:, | and )?`\w+`)+)", " ".join(model["description"].split()))
    return re.findall(r"`(\w+)`", found.group(1)) if found else []


def selected_columns(model: Node) -> list[str]:
    """The columns of the model's last SELECT, by the names it gives them."""
    sql = re.sub(r"\{#.*?#\}|--[^\n]*", "", model["raw_code"], flags=re.DOTALL)
    sql = re.sub(r"\{\{.*?\}\}", "expression", sql, flags=re.DOTALL)
    body = re.split(r"(?m)^select\b", sql)[-1]
    body = re.split(r"(?m)^from\b", body)[0]
    return [re.findall(r"\w+", column)[-1] for column in top_level_parts(body)]


def top_level_parts(text: str) -> Iterator[str]:
    """`text` split at the commas that stand in no parentheses."""
    depth = 0
    part = ""
    for character in text:
        depth += {"(": 1, ")": -1}.get(character, 0)
        if character == "," and depth == 0:
            yield part
            part = ""
        else:
            part += character
    yield part


def unpinned(raw_code: str) -> list[str]:
    """The references in a model's code that are read neither through nor before a macro that pins a snapshot."""
    code = re.sub(r"\{#.*?#\}", "", raw_code, flags=re.DOTALL)
    pinned_before = re.sub(rf"\{{\{{\s*({REFERENCE})\s*\}}\}}\s*(?=\{{\{{\s*(?:since_watermark|pinned)\()", "", code)
    return re.findall(REFERENCE, re.sub(PINNING, "", pinned_before))


def test_each_model_reads_only_the_layers_below_it(project: Project) -> None:
    wrong = [
        f"{model['name']} reads {parent['name']} of {layer(parent)}"
        for model in project.models
        for parent in project.parents(model)
        if layer(parent) not in MAY_READ[layer(model)]
    ]

    assert wrong == []


def test_a_staging_model_reads_one_table_of_its_own_source(project: Project) -> None:
    for model in project.models:
        if layer(model) == "staging":
            (parent,) = [parent for parent in project.parents(model) if parent["schema"] != "metadata"]
            source = Path(model["path"]).parts[1]
            assert parent["name"].removeprefix("stg_").split("_")[0] == source, model["name"]


def test_models_are_where_their_names_say(project: Project) -> None:
    for model in project.models:
        path = Path(model["path"])
        assert path.parts[0] in LAYERS
        assert (path.stem, model["alias"]) == (model["name"], model["name"])
        assert model["schema"] == path.parts[0]
        if path.parts[0] == "staging":
            assert re.fullmatch(r"[a-z0-9]+", path.parts[1]), path
            assert re.fullmatch(rf"stg_{path.parts[1]}_[a-z0-9_]+", model["name"]), path
        else:
            assert len(path.parts) == 2 or path.parts[:2] == ("marts", "star"), path


def test_each_description_names_the_grain_and_the_merge_key_holds_it(project: Project) -> None:
    wrong = {
        model["name"]: (merge_key(model), grain(model))
        for model in project.models
        if not grain(model) or not set(grain(model)) <= set(merge_key(model))
    }

    assert wrong == {}


def test_each_grain_is_tested(project: Project) -> None:
    tested = {
        (test["attached_node"], tuple(test["test_metadata"]["kwargs"]["columns"]))
        for test in project.tests
        if (test.get("test_metadata") or {}).get("name") == "unique_key"
    }

    untested = [model["name"] for model in project.models if (model["unique_id"], tuple(grain(model))) not in tested]

    assert untested == []


def test_each_column_is_described(project: Project) -> None:
    wrong = {
        model["name"]: sorted(
            set(selected_columns(model)) ^ {name for name, column in model["columns"].items() if column["description"]}
        )
        for model in project.models
    }

    assert {name: columns for name, columns in wrong.items() if columns} == {}


def test_the_platforms_columns_stand_last(project: Project) -> None:
    for model in project.models:
        own = [column.startswith("_") for column in selected_columns(model)]
        assert own == sorted(own), model["name"]


def test_marts_are_public_and_keep_a_contract(project: Project) -> None:
    for model in project.models:
        if layer(model) == "marts":
            assert model["config"]["contract"]["enforced"], model["name"]
            assert model["access"] == "public", model["name"]
            assert model["group"], model["name"]
            assert list(model["columns"]) == selected_columns(model), model["name"]


def test_each_mart_has_a_dashboard(project: Project) -> None:
    shown = {name for exposure in project.exposures for name in exposure["depends_on"]["nodes"]}

    unshown = [model["name"] for model in project.models if layer(model) == "marts" and model["unique_id"] not in shown]

    assert unshown == []


def test_each_mart_has_a_test_that_compares_it_with_staging(project: Project) -> None:
    compared = {
        name
        for test in project.tests
        if test["name"].startswith("assert_") and any(layer(parent) == "staging" for parent in project.parents(test))
        for name in test["depends_on"]["nodes"]
    }

    alone = [
        model["name"] for model in project.models if layer(model) == "marts" and model["unique_id"] not in compared
    ]

    assert alone == []


def test_each_parent_is_read_at_a_pinned_snapshot(project: Project) -> None:
    wrong = {
        model["name"]: [name for name in unpinned(model["raw_code"]) if name.split("'")[1] not in project.seeds]
        for model in project.models
    }

    assert {name: references for name, references in wrong.items() if references} == {}


def test_a_reference_without_a_pin_is_found() -> None:
    code = """
        select * from {{ ref('a') }} {{ pinned(ref('a')) }}
        union all select * from {{ ref('b') }} {{ since_watermark() }}
        union all {{ latest_changes(source('raw', 'c'), 'id') }}
        union all {{ changed_keys(
            ref('d'), 'id', 'id') }}
        union all select * from {{ ref('e') }}
        union all select * from {{ source('raw', 'f') }} as f
    """

    assert unpinned(code) == ["ref('e')", "source('raw', 'f')"]
