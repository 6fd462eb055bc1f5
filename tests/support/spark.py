"""A session of the process's one Spark for a lake of its own."""

from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession

from ingestion.runtime.spark import export_environment, spark_conf, spark_session
from ingestion.settings import Settings

# The state folder the set-up was made for: tests have folders of their own, and use its jars.
INSTALLED = Settings().home_dir


def link_jars(home: Path) -> None:
    """Make `home` a state folder with the jars of the set-up."""
    home.mkdir(parents=True, exist_ok=True)
    if not (home / "jars").exists():
        (home / "jars").symlink_to(INSTALLED / "jars")


def is_started() -> bool:
    """Whether this process has a Spark, whichever thread made it."""
    instance: Any = SparkSession
    return instance._instantiatedSession is not None


def session_for(settings: Settings) -> SparkSession:
    """A new session whose catalog is the lake of `settings`; dbt in this process uses it from here on.

    Spark's catalogs are bound at their first use, so another lake needs another session; the JVM stays the same.
    """
    link_jars(settings.home_dir)
    export_environment(settings)
    if not is_started():
        return spark_session(settings)
    instance: Any = SparkSession
    session: SparkSession = instance._instantiatedSession.newSession()
    for key, value in spark_conf().items():
        if key.startswith("spark.sql.catalog.") or session.conf.isModifiable(key):
            session.conf.set(key, value)
    instance._instantiatedSession = session
    return session
