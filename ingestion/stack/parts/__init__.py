"""One server per module: its name is the part's name, `PART` is the part."""
