"""`citydc comment`: posted once, then renewed; a small server stands for GitHub and GitLab."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from citydc import main

TEXT = "<!-- citydc preview main -->\n### Preview of main\n"


class Forge:
    """A server that keeps comments; `status` is what it refuses with, if anything."""

    def __init__(self) -> None:
        self.comments: list[dict[str, Any]] = []
        self.asked: list[str] = []
        self.tokens: set[str] = set()
        self.status = 200
        self.url = ""

    def add(self, body: str, who: int = 7) -> None:
        """Add a comment of somebody; 7 is us."""
        kind = "Bot" if who == 7 else "User"
        self.comments.append(
            {
                "id": len(self.comments) + 1,
                "body": body,
                "user": {"type": kind},
                "author": {"id": who},
            }
        )

    def answer(self, method: str, target: str, body: dict[str, Any]) -> Any:
        """Do one request."""
        parts = urlsplit(target)
        self.asked.append(f"{method} {parts.path}")
        if parts.path.endswith("/user"):
            return {"id": 7}
        if method == "POST":
            self.add(body["body"])
        elif method != "GET":
            self.comments[int(parts.path.rpartition("/")[2]) - 1]["body"] = body["body"]
        else:
            page, size = (int(parse_qs(parts.query)[name][0]) for name in ("page", "per_page"))
            return self.comments[(page - 1) * size : page * size]
        return {}


@pytest.fixture
def forge() -> Iterator[Forge]:
    """Serve one on loopback."""
    made = Forge()

    class Handler(BaseHTTPRequestHandler):
        def _do(self) -> None:
            size = int(self.headers.get("content-length") or 0)
            body = json.loads(self.rfile.read(size)) if size else {}
            made.tokens |= {
                self.headers.get(name) or "" for name in ("Authorization", "Private-Token")
            }
            data = json.dumps(made.answer(self.command, self.path, body)).encode()
            self.send_response(made.status)
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PUT = do_PATCH = _do  # noqa: N815 - http.server's names

        def log_message(self, *args: Any) -> None:
            """Keep quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    made.url = f"http://127.0.0.1:{server.server_port}"
    yield made
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(params=["github", "gitlab"])
def runner(request: pytest.FixtureRequest, forge: Forge, monkeypatch: pytest.MonkeyPatch) -> str:
    """Set the variables of a runner that works for a pull or merge request."""
    for name in ("GITHUB_REF", "CI_MERGE_REQUEST_IID"):
        monkeypatch.delenv(name, raising=False)
    variables = {
        "github": {
            "GITHUB_REF": "refs/pull/12/merge",
            "GITHUB_API_URL": forge.url,
            "GITHUB_REPOSITORY": "city/dc",
            "GITHUB_TOKEN": "hush",
        },
        "gitlab": {
            "CI_MERGE_REQUEST_IID": "12",
            "CI_API_V4_URL": forge.url,
            "CI_PROJECT_ID": "5",
            "CITYDC_COMMENT_TOKEN": "hush",
        },
    }[request.param]
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return str(request.param)


@pytest.fixture
def report(tmp_path: Path) -> Path:
    """Write a report."""
    file = tmp_path / "main.preview.md"
    file.write_text(TEXT)
    return file


def _run(file: Path) -> int:
    with pytest.raises(SystemExit) as ended:
        main.main(["comment", str(file)])
    return int(ended.value.code or 0)


def test_comment_is_posted_once_and_renewed_afterwards(
    runner: str, forge: Forge, report: Path
) -> None:
    """Others' comments, and ours of another report, stay as they are."""
    others = ["hello", TEXT, "<!-- citydc preview backup -->\n"]
    for body, who in zip(others, (1, 1, 7), strict=True):
        forge.add(body, who)
    assert _run(report) == 0
    report.write_text(f"{TEXT}new")
    assert _run(report) == 0
    assert [one["body"] for one in forge.comments] == [*others, f"{TEXT}new"]
    assert {"Bearer hush", "hush"} & forge.tokens
    path = {
        "github": "PATCH /repos/city/dc/issues/comments/4",
        "gitlab": "PUT /projects/5/merge_requests/12/notes/4",
    }[runner]
    assert forge.asked[-1] == path


@pytest.mark.usefixtures("runner")
def test_own_comment_is_found_on_a_later_page(forge: Forge, report: Path) -> None:
    """However long the discussion is."""
    for _ in range(150):
        forge.add("hello", 1)
    forge.add(TEXT)
    report.write_text(f"{TEXT}new")
    assert _run(report) == 0
    assert len(forge.comments) == 151
    assert forge.comments[-1]["body"] == f"{TEXT}new"


@pytest.mark.usefixtures("runner")
def test_refusal_is_told_without_the_token(
    forge: Forge, report: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Status and address."""
    forge.status = 403
    assert _run(report) == 3
    told = capsys.readouterr().err
    assert "403" in told
    assert "hush" not in told


def test_where_there_is_nothing_to_comment_on_it_is_bad_input(
    report: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Outside of a pipeline, without a token, without a report."""
    for name in ("GITHUB_REF", "CI_MERGE_REQUEST_IID", "GITHUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    assert _run(report) == 2
    monkeypatch.setenv("GITHUB_REF", "refs/pull/1/merge")
    monkeypatch.setenv("GITHUB_API_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("GITHUB_REPOSITORY", "city/dc")
    assert _run(report) == 2
    report.write_text("something else\n")
    assert _run(report) == 2
    assert _run(report.with_name("none.md")) == 2
