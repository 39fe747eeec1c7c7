"""One OpenStack cloud, as a Pulumi provider resource's inputs describe it: calls, waits, errors."""

import collections
import enum
import re
import threading
import time
import urllib.parse
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import openstack
import requests
from keystoneauth1 import adapter
from keystoneauth1 import exceptions as auth_errors
from keystoneauth1 import session as auth_session

from catalogue.errors import OutsideError

Body = dict[str, Any]

_AUTH = {
    "userName": "username",
    "userId": "user_id",
    "password": "password",
    "token": "token",
    "tenantName": "project_name",
    "tenantId": "project_id",
    "domainId": "domain_id",
    "domainName": "domain_name",
    "userDomainName": "user_domain_name",
    "userDomainId": "user_domain_id",
    "projectDomainName": "project_domain_name",
    "projectDomainId": "project_domain_id",
    "authUrl": "auth_url",
    "applicationCredentialId": "application_credential_id",
    "applicationCredentialName": "application_credential_name",
    "applicationCredentialSecret": "application_credential_secret",
}
_PATIENCE_S = 120  # for an answer; what takes longer is a job that is looked at again and again
_CONNECTIONS = 32  # kept alive per service: as many as an engine works with at a time


class Reason(enum.Enum):
    """What kind of refusal an error is."""

    CREDENTIALS = "credentials"
    FORBIDDEN = "forbidden"
    UNREACHABLE = "unreachable"
    QUOTA = "quota"
    BUSY = "busy"
    NO_VALID_HOST = "no valid host"
    CONFLICT = "conflict"
    NOT_FOUND = "not found"
    BAD_REQUEST = "bad request"
    BROKEN = "broken"


REMEDIES = {
    Reason.CREDENTIALS: "check the user, password and project in clouds.yaml or the OS_* variables",
    Reason.FORBIDDEN: "give the user a role that allows this, or use other credentials",
    Reason.UNREACHABLE: "check that the cloud is up and that its address is right, then run again",
    Reason.QUOTA: "raise the project's quota or delete what it no longer needs, then run again",
    Reason.BUSY: "wait, then run again: the cloud limits how many requests it takes",
    Reason.NO_VALID_HOST: "free or add capacity, or choose a smaller flavor or another zone",
    Reason.CONFLICT: "something else uses or changes it: see the cause, then run again",
    Reason.NOT_FOUND: "refresh the state, then run again",
    Reason.BAD_REQUEST: "correct the resource in the program",
    Reason.BROKEN: "see the service's log for the request id, then run again",
}

_BY_STATUS = {
    400: Reason.BAD_REQUEST,
    401: Reason.CREDENTIALS,
    403: Reason.FORBIDDEN,
    404: Reason.NOT_FOUND,
    409: Reason.CONFLICT,
    413: Reason.QUOTA,
    422: Reason.BAD_REQUEST,
    429: Reason.BUSY,
}
_QUOTA = re.compile(r"quota|exceeded.*limit|limit.*exceeded|overquota", re.IGNORECASE)
_NO_HOST = re.compile(r"no valid host|not enough hosts|no weighed backends", re.IGNORECASE)


def reason_of(status: int | None, message: str) -> Reason:
    """
    Return the reason that a status and OpenStack's message mean.

    `status` None stands for a connection that failed, 0 for a failure that came later, without
    an answer of its own (a server's fault).
    """
    if status is None:
        return Reason.UNREACHABLE
    if _NO_HOST.search(message):
        return Reason.NO_VALID_HOST
    if status in (0, 400, 403, 409, 413) and _QUOTA.search(message):
        return Reason.QUOTA
    return _BY_STATUS.get(status, Reason.BROKEN)


class ApiError(OutsideError):
    """
    What OpenStack refused or failed to do.

    `status` is the HTTP status (None: no answer), `url` the address, `message` OpenStack's own
    words, `request_id` the id under which it logged the request ("" where there is none).
    """

    def __init__(  # noqa: PLR0913 - all are named, and an error without one of them tells less
        self,
        *,
        service: str,
        method: str,
        url: str,
        status: int | None,
        message: str,
        request_id: str = "",
    ) -> None:
        self.service, self.method, self.url = service, method, url
        self.status, self.message, self.request_id = status, message, request_id
        self.reason = reason_of(status, message)
        answer = f"{status}" if status else "no answer"
        super().__init__(
            f"{service.replace('_', ' ')}: {method} {urllib.parse.urlsplit(url).path}: {answer}",
            why=message + (f" (request id {request_id})" if request_id else ""),
            remedy=REMEDIES[self.reason],
            place=url,
        )


class StateError(OutsideError):
    """An object went to a failed state, or did not reach the wanted one in time."""

    def __init__(self, what: str, message: str, request_id: str = "") -> None:
        self.message, self.request_id = message, request_id
        self.reason = reason_of(0, message)
        super().__init__(
            what,
            why=message + (f" (request id {request_id})" if request_id else ""),
            remedy=REMEDIES[self.reason],
        )


class Cloud:
    """
    A cloud with one project's credentials.

    `settings` are the inputs of a Pulumi OpenStack provider in the clear (authUrl, userName,
    tenantId, region, ...) or {"cloud": name in clouds.yaml}.  Connecting is put off until the
    first call.  Safe for many threads.
    """

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._connection: openstack.connection.Connection | None = None
        self._locks: dict[str, threading.RLock] = collections.defaultdict(threading.RLock)
        self._known: dict[str, Any] = {}
        self._fresh: dict[tuple[str, str], Body] = {}

    @property
    def connection(self) -> openstack.connection.Connection:
        """The openstacksdk connection."""
        with self._lock:
            if self._connection is None:
                self._connection = self._connect()
            return self._connection

    @property
    def region(self) -> str:
        """The region's name."""
        return str(self._settings.get("region") or self.connection.config.get_region_name() or "")

    @property
    def project_id(self) -> str:
        """The id of the project that the credentials are for."""
        return str(self.access.project_id or "")

    @property
    def user_id(self) -> str:
        """The id of the user that the credentials are of."""
        return str(self.access.user_id or "")

    @property
    def access(self) -> Any:
        """What keystone says of the credentials: user, project, domains, roles.  Raise ApiError."""
        session = self.connection.session
        try:
            return session.auth.get_access(session)  # type: ignore[union-attr]  # connect() sets it
        except (auth_errors.ClientException, requests.RequestException) as error:
            raise _api_error(error, "identity", "POST", self._auth_url) from error

    def require_access(self) -> None:
        """Raise ApiError unless there is a token, or one is to be had."""
        _ = self.access

    @property
    def _auth_url(self) -> str:
        return str(self._settings.get("authUrl") or self.connection.config.auth.get("auth_url"))

    def _connect(self) -> openstack.connection.Connection:
        given = self._settings
        if given.get("cloud"):
            connection = openstack.connect(cloud=given["cloud"])
        else:
            connection = openstack.connection.Connection(
                auth={theirs: given[ours] for ours, theirs in _AUTH.items() if given.get(ours)},
                region_name=given.get("region") or None,
                interface=given.get("endpointType") or "public",
                verify=str(given.get("insecure", "false")).lower() != "true",
                cacert=given.get("cacertFile"),
                app_name="citydc",
            )
        keep = auth_session.TCPKeepAliveAdapter(pool_maxsize=_CONNECTIONS)
        for scheme in ("http://", "https://"):
            connection.session.session.mount(scheme, keep)
        connection.session.timeout = _PATIENCE_S
        return connection

    def call(
        self,
        service: str,
        method: str,
        path: str,
        body: Any = None,
        microversion: str | None = None,
        **more: Any,
    ) -> Any:
        """
        Make one API request and return the answer's JSON ({} where there is none).

        `service` is openstacksdk's name of it ("network", "block_storage", ...).  Raise ApiError.
        """
        response = self.request(service, method, path, body, microversion, **more)
        if not response.content:
            return {}
        try:
            return response.json()
        except ValueError:
            return {}

    def request(
        self,
        service: str,
        method: str,
        path: str,
        body: Any = None,
        microversion: str | None = None,
        **more: Any,
    ) -> requests.Response:
        """Make one API request and return the whole answer.  Raise ApiError."""
        method = method.upper()
        if body is not None:
            more["json"] = body
        if method == "GET":
            more.setdefault("connect_retries", 2)
        more |= {
            "status_code_retries": 4,
            "retriable_status_codes": [429, 503] if method == "GET" else [429],
        }
        try:
            # the adapter's own way: openstacksdk's adds statistics that cost more than they tell
            response: requests.Response = adapter.Adapter.request(
                getattr(self.connection, service),
                path,
                method,
                microversion=microversion,
                raise_exc=False,
                **more,
            )
        except (
            auth_errors.ClientException,
            openstack.exceptions.SDKException,
            requests.RequestException,
        ) as error:
            raise _api_error(error, service, method, path) from error
        if not response.ok:
            raise ApiError(
                service=service,
                method=method,
                url=str(response.url),
                status=response.status_code,
                message=_message(response),
                request_id=_request_id(response),
            )
        return response

    def pages(  # noqa: PLR0913 - the request's parts are all named
        self,
        service: str,
        path: str,
        many: str,
        *,
        params: Mapping[str, Any] | None = None,
        microversion: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> list[Body]:
        """
        Return all objects of a listing, page after page.

        `many` is the answer's key that holds them.  Raise ApiError.
        """
        found: list[Body] = []
        query: Mapping[str, Any] | None = params or {}
        while query is not None:
            answer = self.call(
                service, "get", path, None, microversion, params=query, headers=dict(headers or {})
            )
            found += answer[many]
            query = _next_page(answer, many, query)
        return found

    def wait(
        self,
        look: Callable[[], Any],
        done: Sequence[Any],
        failed: Sequence[Any] = (),
        limit: float = 600,
        pause: float = 0.1,
    ) -> Any:
        """
        Call look() until it answers a value in `done`; a 404 in it counts as None ("gone").

        `pause` is the first pause between two looks in seconds; each is longer than the last.
        Raise StateError on a value in `failed` and after `limit` seconds.
        """
        until = time.monotonic() + limit
        while (state := _or_gone(look)) not in done:
            if state in failed:
                raise StateError(f"it went to state {state}", f"state {state}")
            if time.monotonic() > until:
                raise StateError(
                    f"it is still in state {state}", f"waited {limit:.0f} s for {done}"
                )
            time.sleep(pause)
            pause = min(pause * 1.5, 2)
        return state

    def lock(self, name: str) -> threading.RLock:
        """Return the lock that serialises changes of the object `name`."""
        with self._lock:
            return self._locks[name]

    def once(self, name: str, compute: Callable[[], Any]) -> Any:
        """Return what compute() answered the first time that `name` was asked for."""
        with self.lock(f"once {name}"):
            if name not in self._known:
                self._known[name] = compute()
            return self._known[name]

    def note(self, name: str, value: Any) -> None:
        """Make once(name) answer `value` from now on."""
        with self.lock(f"once {name}"):
            self._known[name] = value

    def keep(self, token: str, ident: str, body: Body) -> None:
        """Keep what a change answered about an object: the next look at it needs no call."""
        self._fresh[token, ident] = body

    def take(self, token: str, ident: str) -> Body | None:
        """Return what was kept of an object, once."""
        return self._fresh.pop((token, ident), None)


def _or_gone(look: Callable[[], Any]) -> Any:
    try:
        return look()
    except ApiError as error:
        if error.reason is Reason.NOT_FOUND:
            return None
        raise


def _next_page(answer: Body, many: str, query: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the query of the page after `answer`, or None after the last one."""
    links = answer.get("links")
    there = next(
        (one["href"] for one in answer.get(f"{many}_links") or () if one["rel"] == "next"), None
    )
    there = there or (links.get("next") if isinstance(links, dict) else None) or answer.get("next")
    if not there or not answer[many]:
        return None
    return {**query, **dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(there).query))}


def _message(response: requests.Response) -> str:
    """Return what an answer says is wrong, in OpenStack's words."""
    try:
        body = response.json()
    except ValueError:
        return _plain(response.text) or str(response.reason)
    return _text(body) or str(response.reason)


def _plain(html: str) -> str:
    """Return the words of a page, without its title and headings."""
    words = re.sub(r"<(head|h1|title)>.*?</\1>|<[^>]*>", " ", html, flags=re.DOTALL)
    return " ".join(words.split())


def _text(body: Any) -> str:
    if isinstance(body, dict):
        for key in ("message", "faultstring", "detail", "description"):
            if isinstance(body.get(key), str) and body[key]:
                return str(body[key])
        return next(filter(None, map(_text, body.values())), "")
    if isinstance(body, list):
        return next(filter(None, map(_text, body)), "")
    return ""


def _request_id(response: requests.Response) -> str:
    names = ("x-openstack-request-id", "x-compute-request-id", "x-trans-id")
    return next((response.headers[name] for name in names if name in response.headers), "")


def _api_error(error: Exception, service: str, method: str, path: str) -> ApiError:
    """Return the error for a request that failed without an answer, or before it was made."""
    status = getattr(error, "http_status", None) or getattr(error, "status_code", None)
    if isinstance(error, auth_errors.EndpointNotFound):
        status = 404
    return ApiError(
        service=service,
        method=method,
        url=str(getattr(error, "url", None) or path),
        status=status,
        message=str(error),
        request_id=str(getattr(error, "request_id", None) or ""),
    )
