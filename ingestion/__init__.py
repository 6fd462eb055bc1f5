"""Sidecars of the Frazil lake: capture, sink and command line."""
