"""Real servers on this machine for development and tests: no root, no containers, Maven artifacts only."""

from ingestion.stack.part import Facts, in_order, part_names
from ingestion.stack.places import Places
from ingestion.stack.server import Server, Status

__all__ = ["Facts", "Places", "Server", "Status", "in_order", "part_names"]
