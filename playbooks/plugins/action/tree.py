"""The half of `tree` that runs here: renders the role's templates, and confirms what is guarded."""

import time
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure
from ansible.plugins.action import ActionBase
from ansible.template import trust_as_template

PATIENCE = 2.0
"""Seconds between two attempts to reach the host anew."""


class ActionModule(ActionBase):  # type: ignore[misc]
    """
    Writes what lies under the role's `templates/` folder (or under `source` in it) to the host.

    A template's path is the file's path, without `.j2`.  `modes` and `owners` ("owner:group") are
    for paths that differ from 0644 and root:root; `folders` has modes of folders, `contents`
    further files.
    """

    def run(self, tmp: Any = None, task_vars: Any = None) -> dict[str, Any]:
        """Write the files; confirm over a fresh connection."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        given = dict(self._task.args)
        source = given.pop("source", "")
        modes, owners = given.pop("modes", {}), given.pop("owners", {})
        folders, contents = given.pop("folders", {}), given.pop("contents", {})
        arguments = {
            **given,
            "files": [
                {"path": path, "content": content, **_rights(path, "0644", modes, owners)}
                for path, content in [*self._rendered(source, task_vars), *contents.items()]
            ],
            "folders": [
                {"path": path, **_rights(path, mode, {}, owners)} for path, mode in folders.items()
            ],
        }
        result.update(self._execute_module("tree", module_args=arguments, task_vars=task_vars))
        guard = given.get("guard")
        if guard and result.get("changed") and not self._task.check_mode:
            self._confirm(guard, given.get("seconds", 60), task_vars)
        return result

    def _rendered(self, source: str, task_vars: Any) -> list[tuple[str, str]]:
        if self._task._role is None:  # noqa: SLF001  Ansible has no public name for it
            raise AnsibleActionFail("tree writes a role's templates: use it in a role")
        top = Path(self._task._role._role_path, "templates", source)  # noqa: SLF001
        files = sorted(top.rglob("*.j2")) if source else []
        if source and not files:
            raise AnsibleActionFail(f"{top} has no templates")
        templar = self._templar.copy_with_new_env(
            searchpath=[str(top), str(top.parent)], available_variables=task_vars
        )
        rendered = []
        for file in files:
            text = trust_as_template(file.read_text(encoding="utf-8"))
            overrides = {"trim_blocks": True, "keep_trailing_newline": True}
            content = templar.template(text, escape_backslashes=False, overrides=overrides)
            path = "/" + str(file.relative_to(top).with_suffix(""))
            rendered.append((path, str(content)))
        return rendered

    def _confirm(self, guard: str, seconds: int, task_vars: Any) -> None:
        end = time.monotonic() + seconds
        while True:
            try:
                self._connection.reset()
                found = self._execute_module(
                    "tree", module_args={"confirm": guard}, task_vars=task_vars
                )
            except AnsibleConnectionFailure:
                found = {}
            if "confirmed" in found:
                break
            if time.monotonic() > end:
                raise AnsibleConnectionFailure(
                    f"after the change of {guard} the host could not be reached anew;"
                    f" it takes the change back {seconds} s after it was made"
                )
            time.sleep(PATIENCE)
        if not found["confirmed"]:
            raise AnsibleActionFail(f"the change of {guard} was taken back before it was confirmed")


def _rights(path: str, mode: str, modes: dict[str, str], owners: dict[str, str]) -> dict[str, str]:
    owner, _, group = owners.get(path, "root:root").partition(":")
    return {"mode": modes.get(path, mode), "owner": owner, "group": group or owner}
