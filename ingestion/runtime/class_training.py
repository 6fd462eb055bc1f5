"""A short Spark run that loads what each Spark of this project loads: for `ingestion.runtime.class_archive`."""

from typing import Any

from pyspark import SparkContext
from pyspark.sql import SparkSession

from ingestion.errors import PermanentError
from ingestion.runtime.spark import spark_session
from ingestion.settings import Settings

_STATEMENTS = (
    "create namespace if not exists training",
    "create table training.kept (id bigint, name string, amount decimal(18, 2), seen_at timestamp) using iceberg",
    "insert into training.kept select id, string(id), decimal(id), current_timestamp() from range(100)",
    "cache table training_step as select *, row_number() over (partition by id % 7 order by name) as place"
    " from training.kept where amount > 3",
    "merge into training.kept as kept using (select * from training_step where place = 1) as step on kept.id = step.id"
    " when matched and step.amount > 5 then update set name = 'new' when matched then delete"
    " when not matched then insert (id, name) values (step.id, step.name)",
    "select count(*), count(distinct kept.name), max(step.amount), collect_list(struct(kept.id))"
    " from training.kept as kept left join training_step as step on kept.id = step.id"
    " where exists (select 1 from training.kept as other where other.id = kept.id) group by kept.seen_at",
    "delete from training.kept where id in (select id from training_step)",
    "show tables in training",
    "describe table extended training.kept",
)


def train(session: SparkSession) -> None:
    """Run the statements, and wait until the Java has ended: it writes the archive then.

    Raises `PermanentError` if it could not.
    """
    for statement in _STATEMENTS:
        session.sql(statement).collect()
    gateway: Any = SparkContext._gateway
    session.stop()
    gateway.proc.stdin.close()
    code = gateway.proc.wait()
    if code:
        raise PermanentError(f"Java could not write its archive of classes (exit code {code}); is the disk full?")


if __name__ == "__main__":
    train(spark_session(Settings()))
