"""`frazil setup`: Java, jars and the lake's empty tables."""

import click

from ingestion.settings import Settings


@click.command(help="Find Java, fetch jars, create the lake's empty tables. Repeating it changes nothing.")
def command() -> None:
    from ingestion.runtime.jars import ensure_jars
    from ingestion.runtime.java import find_java
    from ingestion.runtime.spark import write_spark_env

    settings = Settings()
    settings.home_dir.mkdir(parents=True, exist_ok=True)
    java_home = find_java(settings.home_dir)
    click.echo(f"Java   {java_home}")
    jars = ensure_jars("spark", settings.jars_dir, java_home)
    click.echo(f"jars   {len(jars)} in {settings.jars_dir}")
    write_spark_env(java_home)
