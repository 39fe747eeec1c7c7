"""What a user is told when something is wrong: the object, the place, the cause, the remedy."""

from typing import ClassVar


class CityDCError(Exception):
    """
    Something the user must know.

    `what` names the object and what happened to it, `why` the cause, `remedy` what to do,
    `place` where ("file:line:column" or an address).  Each is one plain sentence, or empty.
    """

    exit_code: ClassVar[int] = 3

    def __init__(self, what: str, *, why: str = "", remedy: str = "", place: str = "") -> None:
        super().__init__(what, why, remedy, place)
        self.what, self.why, self.remedy, self.place = what, why, remedy, place

    def __str__(self) -> str:
        head = f"{self.place}: {self.what}" if self.place else self.what
        return "\n".join(
            [
                head,
                *([f"  cause: {self.why}"] if self.why else []),
                *([f"  remedy: {self.remedy}"] if self.remedy else []),
            ]
        )


class BadInputError(CityDCError):
    """The user gave something wrong: a file, an option, a passphrase.  Nothing was changed."""

    exit_code = 2


class OutsideError(CityDCError):
    """Something outside citydc failed: a cloud, a disk, a network, another program."""
