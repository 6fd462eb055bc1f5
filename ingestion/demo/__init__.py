"""A generated business through the real server, sink and build, and whether nothing was lost on the way."""
