"""When the lake is loaded, built, kept and described: Airflow's DAGs and what they share."""
