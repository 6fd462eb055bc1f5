"""What each table was made from, column by column, told in OpenLineage's words."""
