"""One OpenLineage event per table of a dbt run, from the manifest and the run's results, whatever the engine."""

import logging
import os
import uuid
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from dbt.contracts.graph.manifest import Manifest
from openlineage.client import OpenLineageClient
from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState
from openlineage.client.facet_v2 import (
    DatasetFacet,
    JobFacet,
    column_lineage_dataset,
    error_message_run,
    job_type_job,
    parent_run,
    schema_dataset,
    sql_job,
)
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import NoSuchTableError

from ingestion.build.dbt import NodeResult
from ingestion.build.lineage.cache import LineageCache
from ingestion.build.lineage.columns import Columns
from ingestion.settings import Settings

log = logging.getLogger(__name__)

NAMESPACE = "frazil"
PRODUCER = "urn:frazil:lineage"
_DIALECTS = {"spark": "spark", "trino": "trino"}
# Where the client's own variables say nothing, events go to a file below FRAZIL_HOME.
_OWN = ("OPENLINEAGE_URL", "OPENLINEAGE_CONFIG", "OPENLINEAGE_DISABLED", "OPENLINEAGE__TRANSPORT__TYPE")


def client(settings: Settings) -> OpenLineageClient:
    """As the OPENLINEAGE_ variables say (console, file, HTTP); without any, FRAZIL_HOME/lineage/events.jsonl."""
    if any(name in os.environ for name in _OWN):
        return OpenLineageClient()
    file = settings.home_dir / "lineage" / "events.jsonl"
    file.parent.mkdir(parents=True, exist_ok=True)
    return OpenLineageClient(config={"transport": {"type": "file", "log_file_path": str(file), "append": True}})


def emit(settings: Settings, manifest: Manifest, catalog: Catalog, results: Sequence[NodeResult], run: str) -> int:
    """Tell of every table that dbt wrote or tried to write; returns how many events were told.

    A receiver that does not answer is logged and left: a build does not fail for want of its lineage.
    """
    told = 0
    sender = client(settings)
    cache = LineageCache(settings.home_dir / "lineage" / "columns.json")
    for event in Lineage(manifest, catalog, cache).events(results, run, datetime.now(UTC)):
        try:
            sender.emit(event)
        except Exception as error:  # each transport raises its own
            log.warning("lineage_not_told", extra={"run_id": run, "reason": " ".join(str(error).split())[:300]})
            break
        told += 1
    cache.save()
    return told


class Lineage:
    """Events of one project; columns and types are those the catalog has."""

    def __init__(self, manifest: Manifest, catalog: Catalog, cache: LineageCache) -> None:
        self._manifest = manifest
        self._cache = cache
        self._catalog = catalog
        self._columns: dict[str, dict[str, str]] = {}

    def events(self, results: Sequence[NodeResult], run: str, moment: datetime) -> Iterator[RunEvent]:
        """One event per model, snapshot and seed among the results, but for those that were skipped."""
        for result in results:
            node = self._manifest.nodes.get(result.unique_id)
            if node is not None and result.status != "skipped" and node.resource_type in ("model", "snapshot", "seed"):
                yield self._event(node, result, run, moment)

    def _event(self, node: Any, result: NodeResult, run: str, moment: datetime) -> RunEvent:
        name = f"{node.schema}.{node.identifier}"
        parents = [self._table(parent) for parent in node.depends_on_nodes if self._has_table(parent)]
        facets: dict[str, JobFacet] = {"jobType": job_type_job.JobTypeJobFacet("BATCH", "DBT", "JOB")}
        if result.compiled:
            dialect = _DIALECTS.get(self._manifest.metadata.adapter_type or "spark", "spark")
            facets["sql"] = sql_job.SQLJobFacet(query=result.compiled, dialect=dialect)
        parent_id = str(uuid.uuid5(uuid.NAMESPACE_URL, run))
        run_facets: dict[str, Any] = {
            "parent": parent_run.ParentRunFacet(parent_run.Run(parent_id), parent_run.Job(NAMESPACE, "dbt build"))
        }
        if not result.is_good:
            run_facets["errorMessage"] = error_message_run.ErrorMessageRunFacet(result.message, "SQL")
        return RunEvent(
            eventType=RunState.COMPLETE if result.is_good else RunState.FAIL,
            eventTime=moment.isoformat(),
            run=Run(runId=str(uuid.uuid5(uuid.NAMESPACE_URL, f"{run}/{result.unique_id}")), facets=run_facets),
            job=Job(namespace=NAMESPACE, name=name, facets=facets),
            producer=PRODUCER,
            inputs=[InputDataset(NAMESPACE, parent, facets=self._schema(parent)) for parent in parents],
            outputs=[OutputDataset(NAMESPACE, name, facets=self._schema(name) | self._lineage(name, parents, result))],
        )

    def _schema(self, name: str) -> dict[str, DatasetFacet]:
        fields = [schema_dataset.SchemaDatasetFacetFields(column, kind) for column, kind in self._types(name).items()]
        return {"schema": schema_dataset.SchemaDatasetFacet(fields)} if fields else {}

    def _lineage(self, name: str, parents: list[str], result: NodeResult) -> dict[str, DatasetFacet]:
        tables: Columns = {table: self._types(table) for table in (*parents, name)}
        dialect = _DIALECTS.get(self._manifest.metadata.adapter_type or "spark", "spark")
        found = self._cache.columns(result.compiled, tables, dialect) if result.compiled else None
        if not found:
            return {}
        fields = {
            column: column_lineage_dataset.Fields(
                [column_lineage_dataset.InputField(NAMESPACE, table, field) for table, field in origins]
            )
            for column, origins in found.items()
            if column in self._types(name)
        }
        return {"columnLineage": column_lineage_dataset.ColumnLineageDatasetFacet(fields)}

    def _types(self, name: str) -> dict[str, str]:
        if name not in self._columns:
            try:
                schema = self._catalog.load_table(name).schema()
            except NoSuchTableError:
                return {}
            self._columns[name] = {field.name: str(field.field_type) for field in schema.fields}
        return self._columns[name]

    def _has_table(self, node: str) -> bool:
        return node.startswith(("model.", "seed.", "snapshot.", "source."))

    def _table(self, node: str) -> str:
        found = self._manifest.sources.get(node) or self._manifest.nodes[node]
        return f"{found.schema}.{found.identifier}"
