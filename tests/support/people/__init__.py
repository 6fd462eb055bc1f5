"""Customers with known truth: who they are, what four systems know of them, and how well records were put together."""
