"""A report as a comment where a change is discussed: GitHub's pull, GitLab's merge requests."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import requests

from catalogue.errors import BadInputError, OutsideError

PAGE = 100
TIMEOUT_S = 30


@dataclass(frozen=True)
class Thread:
    """The comments of one request: where they are, who we are, and which ones are ours."""

    all: str
    """URL of the list, which a new one is posted to."""
    each: str
    """URL that a comment's id is added to."""
    update: str
    """HTTP method that changes one."""
    headers: Mapping[str, str]
    is_ours: Callable[[Mapping[str, Any]], bool]

    def put(self, text: str) -> str:
        """
        Post a comment, or renew ours whose first line is the same; return which was done.

        Raise OutsideError.
        """
        mark = text.partition("\n")[0]
        for one in self._there():
            if str(one["body"]).startswith(mark) and self.is_ours(one):
                self.ask(self.update, f"{self.each}/{one['id']}", {"body": text})
                return "renewed"
        self.ask("POST", self.all, {"body": text})
        return "posted"

    def _there(self) -> Iterator[Mapping[str, Any]]:
        page = 1
        while True:
            found = self.ask("GET", f"{self.all}?per_page={PAGE}&page={page}")
            yield from found
            if len(found) < PAGE:
                return
            page += 1

    def ask(self, method: str, url: str, body: Mapping[str, Any] | None = None) -> Any:
        """Do one request and return its JSON.  Raise OutsideError."""
        try:
            answer = requests.request(
                method, url, json=body, headers=self.headers, timeout=TIMEOUT_S
            )
            answer.raise_for_status()
            return answer.json()
        except (requests.RequestException, ValueError) as error:
            raise OutsideError(
                "the comment cannot be posted",
                why=str(error),
                remedy="look at the token's rights and whether the server is reached",
                place=url.partition("?")[0],
            ) from error


def here(variables: Mapping[str, str]) -> Thread:
    """
    Return the thread of the request that the pipeline runs for, by the runner's variables.

    Raise BadInputError where it runs for none, or without a token.
    """
    if number := re.fullmatch(r"refs/pull/(\d+)/merge", variables.get("GITHUB_REF", "")):
        repository = f"{variables['GITHUB_API_URL']}/repos/{variables['GITHUB_REPOSITORY']}"
        return Thread(
            f"{repository}/issues/{number[1]}/comments",
            f"{repository}/issues/comments",
            "PATCH",
            {"Authorization": f"Bearer {_token(variables, 'GITHUB_TOKEN')}"},
            lambda one: bool(one["user"]["type"] == "Bot"),
        )
    if number := re.fullmatch(r"\d+", variables.get("CI_MERGE_REQUEST_IID", "")):
        api = variables["CI_API_V4_URL"]
        notes = f"{api}/projects/{variables['CI_PROJECT_ID']}/merge_requests/{number[0]}/notes"
        headers = {"PRIVATE-TOKEN": _token(variables, "CITYDC_COMMENT_TOKEN")}
        nobody = Thread(notes, notes, "PUT", headers, lambda _: False)
        us = nobody.ask("GET", f"{api}/user")["id"]
        return Thread(notes, notes, "PUT", headers, lambda one: bool(one["author"]["id"] == us))
    raise BadInputError(
        "there is nothing to comment on",
        why="this is no pipeline of a pull request (GITHUB_REF) or merge request"
        " (CI_MERGE_REQUEST_IID)",
        remedy="run it in one",
    )


def _token(variables: Mapping[str, str], name: str) -> str:
    token = variables.get(name)
    if not token:
        raise BadInputError(
            "the token to comment with is missing",
            why=f"{name} is not set",
            remedy="give it to the job from the runner's store",
        )
    return token
