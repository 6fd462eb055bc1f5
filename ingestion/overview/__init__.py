"""The state of the whole lake for people and for Prometheus, read from what is written anyway."""
