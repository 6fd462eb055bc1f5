"""Whole tables of a database into raw: exact, resumable, and provably equal to their source."""
