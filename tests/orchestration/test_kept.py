"""The DAG that workers keep for their tasks: the same one while nothing changed, and never an old one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from airflow.sdk import DAG

from ingestion.settings import Settings
from orchestration.include.kept import is_kept, kept
from orchestration.include.manifest import manifest_file


def build() -> DAG:
    return DAG("one", schedule=None)


def test_a_dag_is_built_once(settings: Settings) -> None:
    manifest_file(settings).parent.mkdir(parents=True, exist_ok=True)
    manifest_file(settings).write_text("{}", encoding="utf-8")

    assert kept(build) is kept(build)
    assert is_kept(__file__)


@pytest.mark.parametrize("change", ["manifest", "sources", "variable", "manifest gone"])
def test_a_dag_is_built_anew_when_what_it_is_built_from_changes(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    monkeypatch.setenv("FRAZIL_CONFIG_DIR", str(tmp_path))
    manifest = manifest_file(settings)
    manifest.parent.mkdir(parents=True, exist_ok=True)
    manifest.write_text("{}", encoding="utf-8")
    before = kept(build)

    if change == "manifest":
        manifest.write_text('{"nodes": {}}', encoding="utf-8")
    elif change == "sources":
        (tmp_path / "sources.yaml").write_text("sources: {}", encoding="utf-8")
    elif change == "variable":
        monkeypatch.setenv("FRAZIL_AIRFLOW_SCHEDULE", "0 4 * * *")
    else:
        manifest.unlink()

    assert not is_kept(__file__)
    assert kept(build) is not before


def test_a_process_forked_from_a_worker_has_its_dag_already_and_a_new_one_when_the_project_changed(
    airflow_home: Settings,
) -> None:
    code = """
import os
from airflow.dag_processing.dagbag import DagBag
from orchestration.include import executor, kept

def graph_in_a_fork():
    reading, writing = os.pipe()
    if os.fork() == 0:
        there = kept.is_kept(executor.PIPELINE)
        (dag,) = DagBag(executor.PIPELINE, safe_mode=False).dags.values()
        os.write(writing, f"{there} {id(dag)} {len(dag.tasks)} {dag.fileloc}".encode())
        os._exit(0)
    os.wait()
    return os.read(reading, 10_000).decode().split()

executor.preload()
os.register_at_fork(before=executor.read_pipeline)
first, again = graph_in_a_fork(), graph_in_a_fork()
os.utime(kept.manifest_file(kept.Settings()))
changed = graph_in_a_fork()
assert first == again, (first, again)
assert first[0] == changed[0] == "True", (first, changed)
assert first[1] != changed[1] and first[2:] == changed[2:], (first, changed)
assert first[3] == executor.PIPELINE and int(first[2]) > 50
"""
    subprocess.run([sys.executable, "-c", code], check=True, env=dict(os.environ))
    assert manifest_file(airflow_home).exists()
