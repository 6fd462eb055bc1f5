"""From Debezium's JSON values to raw's columns, the same values that a bulk load gives; one module per dialect."""
