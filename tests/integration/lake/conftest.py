"""The table of the unit tests, here too."""

from tests.unit.lake.conftest import clock, table

__all__ = ["clock", "table"]
