"""From readings to trusted figures: validated, integrated, written down, and only then counted."""
