"""The physical plant of both sites, simulated: a truth that devices measure, well or badly."""
