"""Rules, alerts, their routes and dashboards: what is watched, as code."""
