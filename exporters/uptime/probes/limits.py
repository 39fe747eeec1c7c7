"""What a probe may take."""

import ssl
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a probe may take, s, and how certificates are checked."""

    connect_s: float
    total_s: float
    context: ssl.SSLContext
