"""`frazil setup`: Java, jars, the archive of Spark's classes and the lake's empty tables."""

import click

from ingestion.settings import Settings


@click.command(
    help="Find Java, fetch jars, archive Spark's classes, create the lake's empty tables. Repeating it changes nothing."
)
def command() -> None:
    from ingestion.lake.catalog import open_catalog
    from ingestion.lake.sink import ensure_tables
    from ingestion.runtime.class_archive import ensure_archive
    from ingestion.runtime.jars import ensure_jars
    from ingestion.runtime.java import find_java
    from ingestion.runtime.spark import write_spark_env
    from ingestion.webhooks.sources import load_sources

    settings = Settings()
    settings.home_dir.mkdir(parents=True, exist_ok=True)
    java_home = find_java(settings.home_dir)
    click.echo(f"Java    {java_home}")
    jars = ensure_jars("spark", settings.jars_dir, java_home)
    click.echo(f"jars    {len(jars)} in {settings.jars_dir}")
    archive = write_spark_env(java_home)
    if not archive.exists():
        click.echo("classes are put in order for Java, once: half a minute", err=True)
    kept = ensure_archive(archive, settings.jars_dir)
    click.echo(f"classes {archive if kept else 'not kept: each Spark starts some seconds later'}")
    catalog = open_catalog(settings)
    tables = ensure_tables(catalog, load_sources(settings.config_dir))
    catalog.close()
    click.echo(f"tables  {len(tables)} in {settings.warehouse}")
