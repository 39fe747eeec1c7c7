"""The Pulumi program that describes one site of the city on OpenStack."""
