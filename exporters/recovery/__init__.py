"""
Whether each service could be recovered: replication, backups, restores and drills.

`postgresql` and `mariadb` ask the database servers, `replication` knows which there are and tells
how far they lag, `records` reads what hosts and drills wrote down, `exporter` does it all again and
again and serves.  What nobody ever did is absent, not zero.
"""
