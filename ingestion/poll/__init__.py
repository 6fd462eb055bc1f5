"""Databases without a log: their new rows, asked for every few seconds."""
