"""What the city runs, as data, and the typed model that reads it."""
