"""Real OpenStack services for independent sites on one machine, on loopback."""
