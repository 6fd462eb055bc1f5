"""What Spark needs from the machine: Java, jars and one session."""
