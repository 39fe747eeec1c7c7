"""
How full the sites are, and whether the surviving one would carry what must run on.

`reading` asks a site's cloud, `peaks` a Prometheus for measured power, `failover` computes what a
takeover would need, `exporter` does it every few minutes and serves.
"""
