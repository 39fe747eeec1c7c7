"""The Pulumi program: what the catalogue says, as resources of a site's cloud."""
