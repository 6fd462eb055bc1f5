"""The bus of polled rows that the settings ask for."""

from pyiceberg.catalog import Catalog

from ingestion.poll.bus import Bus, JournalBus, MakeBus
from ingestion.settings import Settings


def bus_maker(settings: Settings, catalog: Catalog) -> MakeBus:
    """Makes the bus of a raw table and its topic. Raises UsageError for a cluster that is not configured."""
    if settings.bus == "journal":
        return lambda raw_name, topic: JournalBus(settings.journal_dir, raw_name)
    from ingestion.cdc.clusters import cluster
    from ingestion.poll.topic import TopicBus

    kafka = cluster(settings.config_dir, settings.bus_cluster)

    def made(raw_name: str, topic: str) -> Bus:
        return TopicBus(kafka, catalog, raw_name, topic)

    return made
