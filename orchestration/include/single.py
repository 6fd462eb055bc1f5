"""One run of one DAG in this process, task after task: `python -m orchestration.include.single DAG`."""

import os
import sys
from pathlib import Path

from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import DagRunState

from orchestration.include.database import prepare


def run(dag_id: str) -> bool:
    """Whether every task succeeded or was skipped; ends with one line when the DAG cannot be read."""
    prepare()
    file = Path(os.environ["AIRFLOW__CORE__DAGS_FOLDER"]) / f"{dag_id}.py"
    bag = DagBag(str(file))
    dag = bag.dags.get(dag_id)
    if dag is None:
        told = " ".join(bag.import_errors.values()).strip().splitlines()  # a traceback; its last line is the cause
        sys.exit(f"frazil: {dag_id}: {f'{file} cannot be read: {told[-1]}' if told else f'there is no {file}'}")
    done = dag.test()
    return bool(done.state == DagRunState.SUCCESS)


if __name__ == "__main__":
    sys.exit(0 if run(sys.argv[1]) else 1)
