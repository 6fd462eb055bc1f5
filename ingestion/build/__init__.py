"""dbt builds in this process: only what has new input, with one warm Spark session."""
