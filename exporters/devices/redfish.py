"""
Read a server's controller by Redfish (DMTF DSP0266): where its resources are is found out once.

Controllers are slow and have few sessions: one connection, one request at a time, one session that
is used until it ends and is given back.
"""

import asyncio
import json
from typing import Any

import httpx

from exporters.devices import web
from exporters.devices.client import DeviceError, Found, Reason
from exporters.devices.credentials import Credentials, trust
from exporters.devices.decoding import figure, number
from exporters.devices.profile import Property, RedfishProfile

PORT = 443
ROOT = "/redfish/v1"
SESSIONS = f"{ROOT}/SessionService/Sessions"
LARGEST = 512 << 10
"""Bytes of one resource; a chassis full of sensors takes some 100 KiB."""


class RedfishReader:
    """A controller that answers Redfish over HTTPS."""

    def __init__(  # noqa: PLR0913, PLR0917 - what a controller needs
        self,
        profile: RedfishProfile,
        host: str,
        port: int,
        unit: str | None,
        credentials: Credentials | None,
        timeout: float,
    ) -> None:
        self._profile, self._unit, self._credentials = profile, unit, credentials
        trusted = trust(credentials.ca if credentials else None)
        self._where = (web.url("https", host, port), trusted, timeout)
        self._client: httpx.AsyncClient | None = None
        self._session: str | None = None
        self._paths: dict[str, str | None] = {}

    async def fetch(self) -> list[Found]:
        """Return what the resources say; those that the controller doesn't have are left out."""
        if self._client is None:
            self._client = web.client(*self._where)
        if self._session is None:
            await self._log_in(self._client)
        known: dict[str, Any] = {}
        found = []
        for wanted in self._profile.points:
            if wanted.resource not in self._paths:
                self._paths[wanted.resource] = await self._path(wanted.resource, known)
            path = self._paths[wanted.resource]
            if path is None:
                continue
            said = number(_property(wanted, await self._got(path, known)))
            if said is not None:
                found.append(Found(wanted.point(), figure(wanted, said), str(said)))
        if not found:
            raise DeviceError(Reason.PROTOCOL, "it has none of the properties of its profile")
        return found

    async def disconnect(self) -> None:
        """Give the session back and close the connection."""
        client, session = self._client, self._session
        self._client = self._session = None
        self._paths = {}
        if client:
            try:
                if session:
                    await client.delete(session)
            finally:
                await client.aclose()

    async def _log_in(self, client: httpx.AsyncClient) -> None:
        given = self._credentials
        if given is None or given.username is None or given.password is None:
            raise DeviceError(Reason.AUTHENTICATION, "no user and password are given for it")
        asked = {"UserName": given.username, "Password": given.password.get_secret_value()}
        response, _ = await web.exchange(client, "POST", SESSIONS, LARGEST, json=asked)
        token = response.headers.get("x-auth-token")
        where = httpx.URL(response.headers.get("location", "")).path
        if not token or not where.startswith(f"{ROOT}/"):
            raise DeviceError(Reason.PROTOCOL, "it opened no session")
        client.headers["X-Auth-Token"] = token
        self._session = where

    async def _path(self, resource: str, known: dict[str, Any]) -> str | None:
        """Follow the links from the service root to a resource; None where one is missing."""
        path = ROOT
        for step in resource.split("/"):
            if step == "Members":
                continue
            here = await self._got(path, known)
            member = step == "*" or step.isdigit()
            link = self._member(here, step) if member else here.get(step)
            target = link.get("@odata.id") if isinstance(link, dict) else None
            if target is None:
                return None
            if not isinstance(target, str) or not target.startswith(f"{ROOT}/"):
                raise DeviceError(Reason.REDIRECT, f"{step} of {path} leads out of the service")
            path = target
        return path

    def _member(self, collection: dict[str, Any], step: str) -> Any:
        members = collection.get("Members")
        if not isinstance(members, list):
            return None
        if step == "*" and self._unit:
            ends = f"/{self._unit}"
            return next(
                (one for one in members if str(one.get("@odata.id", "")).endswith(ends)), None
            )
        place = 0 if step == "*" else int(step)
        return members[place] if place < len(members) else None

    async def _got(self, path: str, known: dict[str, Any]) -> dict[str, Any]:
        """Return a resource, asked for once in each reading."""
        if path not in known:
            if known and self._profile.interval:
                await asyncio.sleep(self._profile.interval)
            if self._client is None:
                raise DeviceError(Reason.REFUSED, "it was closed meanwhile")
            _, body = await web.exchange(self._client, "GET", path, LARGEST)
            known[path] = _parsed(body, path)
        return known[path]  # type: ignore[no-any-return] # JSON


def _parsed(body: bytes, path: str) -> dict[str, Any]:
    try:
        data = json.loads(body)
    except RecursionError:
        raise DeviceError(Reason.TOO_LARGE, f"nested too deep at {path}") from None
    except ValueError:
        raise DeviceError(Reason.PROTOCOL, f"no JSON at {path}") from None
    if not isinstance(data, dict):
        raise DeviceError(Reason.PROTOCOL, f"no resource at {path}")
    return data


def _property(wanted: Property, resource: dict[str, Any]) -> Any:
    """Return the property's value, None where the resource doesn't have it."""
    here: Any = resource
    for step in wanted.at.split("/"):
        if isinstance(here, list):
            entries = [one for one in here if isinstance(one, dict)]
            fitting = [
                one for one in entries if all(one.get(k) == v for k, v in wanted.where.items())
            ]
            chosen = fitting if step == "*" else entries[int(step) : int(step) + 1]
            here = chosen[0] if chosen else None
        elif isinstance(here, dict):
            here = here.get(step)
        else:
            return None
    return here
