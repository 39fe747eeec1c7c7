"""Filters for MariaDB's accounts: what it stores of a password, and how it writes a prefix."""

import hashlib
import ipaddress
from collections.abc import Callable


def mariadb_verifier(password: str) -> str:
    """
    Return what mysql_native_password stores of a password.

    It is SHA-1 twice, without salt: good for random passwords of 256 bits, which nobody guesses.
    """
    once = hashlib.sha1(password.encode(), usedforsecurity=False).digest()
    return "*" + hashlib.sha1(once, usedforsecurity=False).hexdigest().upper()


def mariadb_host(prefix: str) -> str:
    """
    Return an account's host part for a prefix: "10.0.0.0/255.255.255.0", "2001:db8:1:2:%".

    MariaDB compares IPv6 addresses as text.  Raise ValueError for an IPv6 prefix that is no /64 or
    whose text does not begin like that of every address in it.  An empty prefix has none.
    """
    if not prefix:
        return ""
    network = ipaddress.ip_network(prefix)
    if isinstance(network, ipaddress.IPv4Network):
        return str(network.with_netmask)
    text = str(network.network_address)
    groups = text.removesuffix("::").split(":")
    if network.prefixlen != 64 or len(groups) != 4 or "" in groups:  # noqa: PLR2004  RFC 4291
        raise ValueError(f"{prefix}: MariaDB can't tell this IPv6 prefix by its text")
    return ":".join([*groups, "%"])


class FilterModule:
    """Gives the filters to Ansible."""

    def filters(self) -> dict[str, Callable[..., str]]:
        """Return the filters by name."""
        return {"mariadb_verifier": mariadb_verifier, "mariadb_host": mariadb_host}
