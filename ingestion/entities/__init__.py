"""Which records are one customer: why two were joined, what is worth a look, decisions by people, and the weights."""
