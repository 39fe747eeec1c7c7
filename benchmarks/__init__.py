"""How long it takes and how much memory, against the number of services."""
