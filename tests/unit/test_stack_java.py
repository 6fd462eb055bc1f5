"""The command line of the stack's parts that are run by Java."""

from pathlib import Path

from ingestion.settings import Settings
from ingestion.stack.jvm import java_command
from ingestion.stack.part import Site
from ingestion.stack.places import Places


def test_the_operators_options_come_after_ours_and_win(tmp_path: Path) -> None:
    places = Places.of(Settings(home=tmp_path, stack_java_options=["-Xmx4g"]))
    site = Site(tmp_path / "programs", tmp_path, 0, "", java_options=places.java_options)

    command = java_command(site, "kafka.Kafka", "server.properties")

    assert command.index("-Xmx512m") < command.index("-Xmx4g") < command.index("-cp") < command.index("kafka.Kafka")
