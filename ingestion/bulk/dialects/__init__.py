"""What is known of each kind of database; one package per dialect, with the same file names."""
