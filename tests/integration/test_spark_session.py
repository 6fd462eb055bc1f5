from pathlib import Path
from typing import Any

import pytest
from pyiceberg.catalog import Catalog
from pyspark.sql import SparkSession

from ingestion.settings import Settings
from tests.support.spark import session_for

pytestmark = pytest.mark.spark


def test_spark_and_python_share_one_catalog(spark: SparkSession, catalog: Catalog) -> None:
    spark.sql("create schema if not exists raw")
    spark.sql("create table raw.words (word string) using iceberg")
    spark.sql("insert into raw.words values ('ice')")

    assert catalog.load_table("raw.words").scan().to_arrow()["word"].to_pylist() == ["ice"]


def test_each_session_sees_only_its_own_lake(spark: SparkSession, settings: Settings) -> None:
    spark.sql("create schema if not exists raw")
    spark.sql("create table raw.words (word string) using iceberg")

    other = session_for(Settings(home=settings.home_dir.parent / "other"))
    other.sql("create schema if not exists raw")

    assert other.sql("show tables in raw").count() == 0


def test_no_settings_of_hadoops_own_clusters_travel_with_each_read(spark: SparkSession) -> None:
    java: Any = spark
    settings = dict(java._jsc.hadoopConfiguration().getValByRegex("^(yarn|mapreduce)[.]"))

    assert not {name for name in settings if name.startswith(("yarn.nodemanager.", "mapreduce.map."))}


def test_java_starts_from_the_archive_of_classes_that_the_set_up_made(spark: SparkSession) -> None:
    java: Any = spark
    process = java._jvm.java.lang.ProcessHandle.current().pid()

    assert "/pyspark/conf/classes-" in Path(f"/proc/{process}/maps").read_text(encoding="utf-8")
