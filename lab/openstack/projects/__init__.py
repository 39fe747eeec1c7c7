"""How each OpenStack project is run: one module per project, with its PROJECT."""
