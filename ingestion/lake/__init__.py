"""Everything that writes Iceberg from Python."""
