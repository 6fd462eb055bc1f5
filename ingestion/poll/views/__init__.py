"""One consistent look at a database per poll; a module per kind of database."""
