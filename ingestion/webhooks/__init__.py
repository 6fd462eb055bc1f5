"""Signed webhooks: verified, journalled, split into events."""
