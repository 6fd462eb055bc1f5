"""Change data capture: the stack's connectors, the hand-off from bulk loads, and the sink from Kafka to raw."""
