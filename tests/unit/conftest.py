"""How properties are tested: by their examples' outcome, not by the time that one takes."""

from hypothesis import settings

settings.register_profile("citydc", deadline=None)
settings.load_profile("citydc")
