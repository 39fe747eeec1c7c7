"""What a probe finds."""

import errno
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from exporters.uptime.states import Seen

OWN_FAULTS = frozenset(
    {
        errno.EACCES,
        errno.EADDRNOTAVAIL,
        errno.EAFNOSUPPORT,
        errno.EMFILE,
        errno.ENETUNREACH,
        errno.ENFILE,
        errno.ENOBUFS,
        errno.ENOMEM,
        errno.EPERM,
    }
)
"""Errors of the observer's own system: they say nothing of the target."""


class Reason(StrEnum):
    """Why a target is not good."""

    REFUSED = "refused"
    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    CERTIFICATE = "certificate"
    PROTOCOL = "protocol"
    STATUS = "status"
    REDIRECT = "redirect"
    CONTENT = "content"
    TOO_LARGE = "too-large"
    ANSWER = "answer"
    NOT_READY = "not-ready"
    OBSERVER = "observer"
    """The probe itself could not be made."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a probe found."""

    seen: Seen
    reason: Reason | None = None
    detail: str = ""
    expiry: float | None = None
    """When the certificate that was shown expires, s since 1970 UTC."""


REASONS: dict[type[BaseException], Reason] = {
    ssl.SSLCertVerificationError: Reason.CERTIFICATE,
    TimeoutError: Reason.TIMEOUT,
    ConnectionRefusedError: Reason.REFUSED,
    ssl.SSLError: Reason.PROTOCOL,
    ConnectionError: Reason.PROTOCOL,
    EOFError: Reason.PROTOCOL,
}
"""What errors of the system's libraries mean; the first that fits counts."""


class ProbeError(Exception):
    """The target is not good."""

    def __init__(self, reason: Reason, detail: str, expiry: float | None = None) -> None:
        super().__init__(reason, detail)
        self.reason, self.detail, self.expiry = reason, detail, expiry


def failed(error: BaseException) -> Outcome:
    """Return what an error of a probe says: of the target, or only of the observer."""
    for cause in _causes(error):
        if isinstance(cause, ProbeError):
            return Outcome(Seen.BAD, cause.reason, cause.detail, cause.expiry)
        if reason := _reason(cause):
            seen = Seen.UNKNOWN if reason is Reason.OBSERVER else Seen.BAD
            return Outcome(seen, reason, str(cause) or type(cause).__name__)
    return Outcome(Seen.UNKNOWN, Reason.OBSERVER, f"{type(error).__name__}: {error}")


def _reason(error: BaseException) -> Reason | None:
    """Return what an error means, or None if its name says nothing."""
    if isinstance(error, OSError) and not isinstance(error, ssl.SSLError):
        if error.errno in OWN_FAULTS:
            return Reason.OBSERVER
        if error.errno in {errno.EHOSTUNREACH, errno.EHOSTDOWN}:
            return Reason.UNREACHABLE
    return next((reason for kind, reason in REASONS.items() if isinstance(error, kind)), None)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield the error and what it comes from, the outermost first."""
    yield error
    if isinstance(error, BaseExceptionGroup):
        for one in error.exceptions:
            yield from _causes(one)
    inner = error.__cause__ or error.__context__
    if inner is not None:
        yield from _causes(inner)
