"""Parts that are jars: a folder of them, and the Java that runs them."""

import os
import shutil
import socket
from collections.abc import Sequence
from pathlib import Path

from ingestion.runtime.java import find_java
from ingestion.stack.part import HOST, Site

LOG_SETTINGS = "log4j2.properties"
_LOG = """\
status = error
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d{{ISO8601}}{{UTC}} %-5p %c{{1}}: %m%n
rootLogger.level = {level}
rootLogger.appenderRef.out.ref = out
"""


def gather(artifacts: Sequence[Path], folder: Path) -> None:
    """Jars into `folder`, without a second copy where the file system can do without."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in artifacts:
        try:
            os.link(path, folder / path.name)
        except OSError:
            shutil.copyfile(path, folder / path.name)


def java_command(site: Site, main: str, *words: str, heap: str = "512m") -> list[str]:
    """`main` of the jars in `site.programs`/libs, logging as `log_settings` says."""
    java = find_java(site.programs.parent) / "bin" / "java"
    # Java 17 reads text in the locale's encoding (JEP 400 made it UTF-8 from 18 on); Debezium reads MariaDB's DDL so.
    options = [f"-Xmx{heap}", "-Djava.awt.headless=true", "-Dfile.encoding=UTF-8"]
    log = f"-Dlog4j2.configurationFile={site.data / LOG_SETTINGS}"
    return [str(java), *options, log, *site.java_options, "-cp", f"{site.programs}/libs/*", main, *words]


def log_settings(level: str, **levels: str) -> str:
    """Log4j's settings: everything from `level` up to standard output, named loggers from theirs."""
    lines = [_LOG.format(level=level)]
    for number, (name, own) in enumerate(levels.items()):
        lines.append(f"logger.l{number}.name = {name}\nlogger.l{number}.level = {own}\n")
    return "".join(lines)


def properties(values: dict[str, str]) -> str:
    """A Java properties file."""
    return "".join(f"{name}={value}\n" for name, value in values.items())


def free_port() -> int:
    """A port of the loopback address that nobody listens on now."""
    with socket.socket() as found:
        found.bind((HOST, 0))
        port: int = found.getsockname()[1]
        return port
