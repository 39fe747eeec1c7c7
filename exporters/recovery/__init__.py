"""
Whether each service could be recovered: replication, backups, restores and drills.

`replication` asks the database servers, `records` reads what hosts and drills wrote down,
`exporter` does both again and again and serves.  What nobody ever did is absent, not zero.
"""
