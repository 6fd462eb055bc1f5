"""The one Spark session of a process, configured by profiles/profiles.yml, the file dbt reads too."""

import contextlib
import io
import logging
import os
import re
import sys
import threading
import zipfile
from pathlib import Path
from typing import Any

import jinja2
import pyspark
import yaml
from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from ingestion.errors import UsageError
from ingestion.runtime.class_archive import archive_path
from ingestion.settings import PROJECT_ROOT, Settings

PROFILES_DIR = PROJECT_ROOT / "profiles"
_starting = threading.Lock()


def export_environment(settings: Settings) -> None:
    """Set the variables that profiles.yml reads, so that dbt and Spark see this process's settings."""
    os.environ["FRAZIL_HOME"] = str(settings.home_dir)
    os.environ["FRAZIL_SPARK_MEMORY"] = settings.spark_memory
    os.environ["FRAZIL_THREADS"] = str(settings.threads)
    os.environ["PYSPARK_PYTHON"] = sys.executable  # its workers are of this environment
    os.environ["DBT_PROFILES_DIR"] = str(PROFILES_DIR)
    os.environ["DBT_SEND_ANONYMOUS_USAGE_STATS"] = "false"


def spark_conf(target: str = "embedded") -> dict[str, str]:
    """The Spark settings of one target of profiles.yml, its variables filled in from the environment."""
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined)  # noqa: S701 - renders settings, not pages
    environment.globals["env_var"] = lambda name, default="": os.environ.get(name, default)
    profile: Any = yaml.safe_load((PROFILES_DIR / "profiles.yml").read_text(encoding="utf-8"))
    found = profile["frazil"]["outputs"][target]["server_side_parameters"]
    return {key: environment.from_string(str(value)).render() for key, value in found.items()}


def spark_session(settings: Settings) -> SparkSession:
    """The session of this process: made at the first call, the same one afterwards, and the one dbt will use.

    Raises UsageError for a state folder without the jars that `frazil setup` fetches.
    """
    conf = _conf_of_a_set_up(settings)
    logging.getLogger("py4j").setLevel(logging.WARNING)  # it tells of every connection it closes
    builder = SparkSession.builder
    for key, value in conf.items():
        builder = builder.config(key, value)
    session = builder.getOrCreate()
    _write_no_checksum_files(session)
    return session


def shared_session(settings: Settings) -> SparkSession:
    """As `spark_session`, for several threads; waits for one that `start_early` has begun to start."""
    instance: Any = SparkSession  # which session is "active" differs from thread to thread
    with _starting:
        made: SparkSession | None = instance._instantiatedSession
        return spark_session(settings) if made is None else made


def start_early(settings: Settings) -> None:
    """Begin to start Spark beside what else there is to do, which `shared_session` waits for, and tells errors of.

    Raises UsageError, at once, for a state folder without jars.
    """
    _conf_of_a_set_up(settings)

    def start() -> None:
        with contextlib.suppress(Py4JError, PySparkException):
            shared_session(settings)

    threading.Thread(target=start, name="spark-start", daemon=True).start()


def _conf_of_a_set_up(settings: Settings) -> dict[str, str]:
    """Spark does not start without one of its jars, and would tell of it with some hundred lines of Java's."""
    export_environment(settings)
    conf = spark_conf()
    missing = [jar for jar in map(Path, re.split(r",\s*", conf["spark.jars"])) if not jar.is_file()]
    if missing:
        names = ", ".join(jar.name for jar in missing)
        raise UsageError(
            f"{missing[0].parent}: not there: {names}; run `frazil setup` (or `make setup`), "
            f"which sets up FRAZIL_HOME={settings.home_dir}"
        )
    return conf


def _write_no_checksum_files(session: SparkSession) -> None:
    """Hadoop starts a `chmod` for each local file it makes, and would make a second one of checksums beside each."""
    java: Any = session
    java._jvm.org.apache.hadoop.fs.FileSystem.getLocal(java._jsc.hadoopConfiguration()).setWriteChecksum(False)


def prefer_throughput() -> None:
    """Let the session that this process is going to start compile for long work, unless the environment says how."""
    os.environ.setdefault("FRAZIL_SPARK_JAVA_OPTIONS", "-XX:+UseParallelGC -XX:ReservedCodeCacheSize=512m")


# Spark's own words before profiles.yml sets its log level: errors only, so that a command shows its own output.
_LOG4J = """rootLogger.level = error
rootLogger.appenderRef.stderr.ref = console
appender.console.type = Console
appender.console.name = console
appender.console.target = SYSTEM_ERR
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{HH:mm:ss} %p %c{1}: %m%n%ex
"""


# Hadoop's defaults for clusters of its own: two thirds of the settings that each read of a table carries along.
_UNUSED_DEFAULTS = ("mapred-default.xml", "yarn-default.xml")


# Java tells on standard output of an archive that it does not use, as if that were the command's own words.
_SPARK_ENV = """export JAVA_HOME="{java_home}"
export SPARK_CONF_DIR="{jar}"
if [ -f "{archive}" ] && [[ "${{SPARK_SUBMIT_OPTS:-}}" != *ArchiveClassesAtExit* ]]; then
  export SPARK_SUBMIT_OPTS='-XX:SharedArchiveFile="{archive}" -Xlog:cds*=off'" ${{SPARK_SUBMIT_OPTS:-}}"
fi
"""


def write_spark_env(java_home: Path) -> Path:
    """Tell every Spark of this environment which Java to run, plain `dbt build` included, and what not to load.

    Returns the path of the classes' archive (`ingestion.runtime.class_archive`), which each Spark uses if it is there.
    """
    conf = Path(pyspark.__file__).parent / "conf"
    conf.mkdir(exist_ok=True)
    # A jar and no folder: Java uses an archive of classes only if the class path has no folder with files in it.
    texts = {"log4j2.properties": _LOG4J} | dict.fromkeys(_UNUSED_DEFAULTS, "<configuration/>\n")
    jar = conf / "frazil.jar"
    _write_if_new(jar, _jar(texts))
    archive = archive_path(conf, java_home)
    _write_if_new(conf / "spark-env.sh", _SPARK_ENV.format(java_home=java_home, jar=jar, archive=archive).encode())
    return archive


def _jar(texts: dict[str, str]) -> bytes:
    """The same bytes for the same texts."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as jar:
        for name, text in texts.items():
            jar.writestr(zipfile.ZipInfo(name), text)
    return buffer.getvalue()


def _write_if_new(path: Path, content: bytes) -> None:
    """In one step, as a Spark may be reading it just now."""
    if not path.exists() or path.read_bytes() != content:
        beside = path.with_name(f"{path.name}.{os.getpid()}")
        beside.write_bytes(content)
        beside.replace(path)
