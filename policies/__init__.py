"""The policy gate: what must hold of a stack before it reaches the cloud, and after."""
