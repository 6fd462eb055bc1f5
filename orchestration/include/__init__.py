"""What the DAGs share; imported by them, never run by Airflow itself."""
