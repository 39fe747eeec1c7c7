"""
Whether the services of the catalogue answer: probed from each site, counted second by second.

From top to bottom: `targets` says what is probed, `probes` how, `observer` when; `store` keeps what
was seen, `settling` turns it into seconds of four states, `availability` these into ratios.
"""
