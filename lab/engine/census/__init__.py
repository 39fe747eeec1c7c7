"""
All that a site's cloud holds in the city's projects, whether a state knows it or not.

    for thing in census.take(reach, known): ...
"""

from lab.engine.census.reading import Reach, Thing, take

__all__ = ["Reach", "Thing", "take"]
