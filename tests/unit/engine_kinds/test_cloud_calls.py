"""Calls, waits and errors of a cloud."""

import socket

import pytest
from scripted_cloud import ScriptedCloud

from catalogue.errors import BadInputError
from lab.engine.cloud import ApiError, Cloud, Reason, StateError, reason_of
from lab.engine.kinds import INVOKES


@pytest.mark.parametrize(
    ("status", "message", "reason"),
    [
        (None, "Connection refused", Reason.UNREACHABLE),
        (401, "The request you have made requires authentication.", Reason.CREDENTIALS),
        (403, "Policy doesn't allow it", Reason.FORBIDDEN),
        (403, "Quota exceeded for instances: Requested 1, but already used 9", Reason.QUOTA),
        (409, "Quota exceeded for resources: ['port'].", Reason.QUOTA),
        (413, "VolumeLimitExceeded: Maximum number of volumes allowed (10) exceeded", Reason.QUOTA),
        (409, "port is in use", Reason.CONFLICT),
        (429, "Too many requests", Reason.BUSY),
        (404, "no such thing", Reason.NOT_FOUND),
        (400, "bad", Reason.BAD_REQUEST),
        (500, "Unexpected API Error.", Reason.BROKEN),
        (0, "No valid host was found. There are not enough hosts available.", Reason.NO_VALID_HOST),
        (0, "Build of instance aborted", Reason.BROKEN),
    ],
)
def test_refusal_has_the_reason_that_its_status_and_words_mean(
    status: int | None, message: str, reason: Reason
) -> None:
    """Quotas and missing hosts show in the words, the rest in the status."""
    assert reason_of(status, message) is reason


@pytest.mark.parametrize(
    "answer",
    [
        {"NeutronError": {"type": "X", "message": "because", "detail": ""}},
        {"badRequest": {"code": 400, "message": "because"}},
        {"error": {"message": "because", "code": 400}},
        {"faultcode": "Client", "faultstring": "because", "debuginfo": None},
        {"title": "Bad", "description": "because"},
        {"code": 400, "type": "invalid_object", "errors": [{"message": "because"}]},
        "<html><body>because</body></html>",
    ],
)
def test_error_tells_what_openstack_said_whatever_the_service(
    answer: object, cloud: Cloud, server: ScriptedCloud
) -> None:
    """The message, the request id and the address come from the answer."""
    call = "GET /network/v2.0/networks"
    headers = {"x-openstack-request-id": "req-7"}
    server.plays([{"call": call, "status": 400, "answers": answer, "headers": headers}])
    with pytest.raises(ApiError) as caught:
        cloud.call("network", "get", "/networks")
    error = caught.value
    assert (error.message, error.request_id, error.status) == ("because", "req-7", 400)
    assert error.url == f"{server.url}/network/v2.0/networks"
    assert (error.service, error.method) == ("network", "GET")


def test_wrong_password_is_said_to_be_one(server: ScriptedCloud) -> None:
    """The error is of the credentials and never shows them."""
    server.refuses = 401
    try:
        with pytest.raises(ApiError) as caught:
            server.cloud().call("network", "get", "/networks")
    finally:
        server.refuses = None
    assert caught.value.reason is Reason.CREDENTIALS
    assert "requires authentication" in caught.value.message
    assert "secret" not in str(caught.value)


def test_cloud_that_does_not_answer_is_said_to_be_unreachable() -> None:
    """A refused connection is told with the address that refused it."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{taken.getsockname()[1]}/v3"
        settings = {"authUrl": address, "userName": "u", "password": "x", "tenantName": "p"}
        cloud = Cloud({**settings, "userDomainId": "default", "projectDomainId": "default"})
        with pytest.raises(ApiError) as caught:
            cloud.call("network", "get", "/networks")
    assert caught.value.reason is Reason.UNREACHABLE
    assert address in caught.value.message


def test_cloud_that_takes_a_call_and_says_nothing_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A server that accepts but never answers holds nobody up for ever."""
    monkeypatch.setattr("lab.engine.cloud._PATIENCE_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/v3"
        settings = {"authUrl": address, "userName": "u", "password": "x", "tenantName": "p"}
        cloud = Cloud({**settings, "userDomainId": "default", "projectDomainId": "default"})
        with pytest.raises(ApiError) as caught:
            cloud.require_access()
    assert caught.value.reason is Reason.UNREACHABLE


def test_request_that_comes_too_fast_is_made_again(cloud: Cloud, server: ScriptedCloud) -> None:
    """A cloud that limits requests says when; nothing was done, so a change is repeated too."""
    call = {"call": "POST /network/v2.0/ports", "sends": {"port": {}}}
    later = {**call, "status": 429, "headers": {"retry-after": "0"}, "answers": {}}
    server.plays([later, later, {**call, "answers": {"port": {"id": "1"}}}])
    assert cloud.call("network", "post", "/ports", {"port": {}}) == {"port": {"id": "1"}}
    assert server.problems == []


def test_one_login_serves_many_calls(server: ScriptedCloud) -> None:
    """A token is asked for once."""
    cloud, before = server.cloud(), server.tokens
    server.plays([{"call": "GET /network/v2.0/ports", "answers": {}}] * 3)
    for _ in range(3):
        cloud.call("network", "get", "/ports")
    assert server.tokens - before == 1
    assert server.problems == []


@pytest.mark.parametrize(
    "after_first",
    [
        {
            "things_links": [
                {"rel": "self", "href": "x"},
                {"rel": "next", "href": "/things?marker=1"},
            ]
        },
        {"links": {"next": "http://elsewhere/v2.0/things?marker=1", "self": "x"}},
        {"next": "/v2/things?marker=1"},
    ],
)
def test_listing_follows_the_pages_of_every_service(
    after_first: dict[str, object], cloud: Cloud, server: ScriptedCloud
) -> None:
    """All ways in which OpenStack's services link to the next page are followed."""
    server.plays(
        [
            {
                "call": "GET /network/v2.0/things?limit=1",
                "answers": {"things": [{"id": 1}], **after_first},
            },
            {
                "call": "GET /network/v2.0/things?limit=1&marker=1",
                "answers": {"things": [{"id": 2}]},
            },
        ]
    )
    assert cloud.pages("network", "/things", "things", params={"limit": 1}) == [
        {"id": 1},
        {"id": 2},
    ]
    assert server.problems == []


def test_wait_ends_at_the_wanted_state_and_takes_gone_for_none(cloud: Cloud) -> None:
    """A 404 while looking is the state None."""

    def gone() -> str:
        raise ApiError(service="x", method="GET", url="/x", status=404, message="no")

    states = iter(["a", "b"])
    assert cloud.wait(lambda: next(states), ("b",)) == "b"
    assert cloud.wait(gone, (None,)) is None


def test_wait_fails_at_a_failed_state_and_when_time_is_up(cloud: Cloud) -> None:
    """Both are told apart."""
    with pytest.raises(StateError, match="went to state ERROR"):
        cloud.wait(lambda: "ERROR", ("ACTIVE",), ("ERROR",))
    with pytest.raises(StateError, match="still in state BUILD"):
        cloud.wait(lambda: "BUILD", ("ACTIVE",), limit=0)


def test_wait_lets_other_errors_through(cloud: Cloud) -> None:
    """Only "not found" means gone."""

    def broken() -> str:
        raise ApiError(service="x", method="GET", url="/x", status=500, message="no")

    with pytest.raises(ApiError):
        cloud.wait(broken, (None,))


def test_data_source_without_the_one_object_says_how_many(
    cloud: Cloud, server: ScriptedCloud
) -> None:
    """Neither nothing nor several is taken for the one."""
    call = "GET /network/v2.0/networks?name=x"
    server.plays([{"call": call, "answers": {"networks": []}}])
    with pytest.raises(BadInputError, match="0 networks have name x"):
        INVOKES["openstack:networking/getNetwork:getNetwork"](cloud, {"name": "x"})
