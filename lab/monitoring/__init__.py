"""
Debian's Prometheus and Alertmanager, and VictoriaMetrics as the long-term store, in a lab.

They run the city's own rules and routes (monitoring/) on loopback, with small retention.
"""
