"""Measure energy, uptime, capacity and recovery, and give the figures to Prometheus."""
