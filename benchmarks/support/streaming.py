"""Spark Structured Streaming doing the sink's work: `python -m benchmarks.support.streaming BOOTSTRAP TOPIC HOME`.

Debezium's envelopes from a topic are parsed and appended as typed columns to an Iceberg table, in the embedded catalog
of the lake in HOME. For each line on its input it reads the topic from its beginning into a table of its own, in one
session, and prints the seconds and rows as JSON, from the first batch's start to the last commit. The first run warms
the JVM.

The table is laid out as raw is, a day a partition, and a batch is as many events as the sink commits at once. Else the
settings are those that Spark's and Iceberg's pages advise for throughput: `availableNow`, no shuffle before the write
(`write.distribution-mode=none`), the fan-out writer, the JVM's full compiler and parallel collector, all cores.
"""

import json
import sys
from datetime import datetime
from pathlib import Path

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as f

from ingestion.cdc.sink import Limits
from ingestion.runtime.jars import ensure_jars
from ingestion.runtime.java import find_java
from ingestion.runtime.spark import export_environment, prefer_throughput, spark_conf
from ingestion.settings import Settings

_AT_ONCE = Limits().events
_ROW = (
    "struct<id: bigint, customer_id: bigint, status: string, amount: string, note: string, created_at: string, "
    "updated_at: bigint>"
)
_ENVELOPE = (
    f"op string, before {_ROW}, after {_ROW}, "
    "source struct<table: string, schema: string, lsn: bigint, txId: bigint, sequence: string, ts_us: bigint>"
)
_TABLE = (
    "id bigint, customer_id bigint, status string, amount decimal(12, 2), note string, created_at timestamp, "
    "updated_at timestamp_ntz, _event_id string, _op string, _position string, _source_at timestamp, "
    "_loaded_at timestamp"
)


def session(settings: Settings) -> SparkSession:
    """The project's own Spark settings but for its compiler options, with Spark's reader of Kafka."""
    prefer_throughput()
    export_environment(settings)
    jars_dir = settings.home_dir / "jars"
    builder = SparkSession.builder
    for key, value in spark_conf().items():
        builder = builder.config(key, value)
    jars = [*ensure_jars("spark", jars_dir, find_java(settings.home_dir)), *_kafka_jars(settings)]
    return builder.config("spark.jars", ",".join(map(str, jars))).getOrCreate()


def _kafka_jars(settings: Settings) -> list[Path]:
    return ensure_jars("streaming", settings.home_dir / "jars", find_java(settings.home_dir))


def typed(messages: DataFrame) -> DataFrame:
    """The columns of raw, as far as a plain query has them."""
    event = f.from_json(f.col("value").cast("string"), _ENVELOPE)
    found = messages.select(event.alias("e"), "topic", "partition", "offset")
    row = f.when(f.col("e.op") == "d", f.col("e.before")).otherwise(f.col("e.after"))
    return found.select(row.alias("row"), "e", "partition", "offset").select(
        "row.id",
        "row.customer_id",
        "row.status",
        f.col("row.amount").cast("decimal(12, 2)").alias("amount"),
        "row.note",
        f.to_timestamp("row.created_at").alias("created_at"),
        f.timestamp_micros("row.updated_at").cast("timestamp_ntz").alias("updated_at"),
        _identity().alias("_event_id"),
        f.col("e.op").alias("_op"),
        f.col("e.source.sequence").alias("_position"),
        f.timestamp_micros("e.source.ts_us").alias("_source_at"),
        f.current_timestamp().alias("_loaded_at"),
    )


def _identity() -> Column:
    return f.concat_ws(":", "e.source.table", f.col("e.source.lsn"), f.col("e.source.txId"), "partition", "e.op")


def drained(spark: SparkSession, bootstrap: str, topic: str, name: str, folder: Path) -> dict[str, float]:
    """All of the topic into a new table."""
    spark.sql(
        f"create table {name} ({_TABLE}) using iceberg partitioned by (days(_loaded_at)) "
        "tblproperties ('write.distribution-mode' = 'none')"
    )
    messages = (
        spark.readStream.format("kafka")
        .option("kafka.bootstrap.servers", bootstrap)
        .option("kafka.isolation.level", "read_committed")
        .option("subscribe", topic)
        .option("startingOffsets", "earliest")
        .option("maxOffsetsPerTrigger", _AT_ONCE)
        .load()
    )
    query = (
        typed(messages)
        .writeStream.format("iceberg")
        .outputMode("append")
        .option("fanout-enabled", "true")
        .option("checkpointLocation", str(folder / "checkpoints" / name))
        .trigger(availableNow=True)
        .toTable(name)
    )
    query.awaitTermination()
    batches = [one for one in query.recentProgress if one.numInputRows]
    began = datetime.fromisoformat(batches[0].timestamp)
    ended = datetime.fromisoformat(batches[-1].timestamp).timestamp() + batches[-1].durationMs["triggerExecution"] / 1e3
    return {"seconds": ended - began.timestamp(), "rows": spark.table(name).count(), "batches": len(batches)}


def main(bootstrap: str, topic: str, home: str) -> None:
    settings = Settings(home=Path(home))
    spark = session(settings)
    spark.sql("create namespace if not exists raw")
    for number, _ in enumerate(sys.stdin):
        found = drained(spark, bootstrap, topic, f"raw.streamed{number}", settings.home_dir)
        print(json.dumps(found), flush=True)
    spark.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
