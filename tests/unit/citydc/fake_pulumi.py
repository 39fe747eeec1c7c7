"""
Stands for the official CLI: answers what FAKE_PULUMI (a JSON file) says, notes how it was called.

The file's `events` go to the event log, `stderr` and `code` are the answer of preview, up, destroy
and refresh, `state` that of stack export; each call's arguments and OS_*, PULUMI_* variables are
added to the file's `calls`, and what stands in the plan that it is given.
"""

import json
import os
import sys
from pathlib import Path

WORK = ("preview", "up", "destroy", "refresh")
HISTORY = {
    "kind": "update",
    "startTime": "2026-01-01T00:00:00.000Z",
    "endTime": "2026-01-01T00:00:01.000Z",
    "message": "",
    "environment": {},
    "config": {},
    "result": "succeeded",
    "version": 1,
    "resourceChanges": {},
}


PLAN = {"version": 1, "plan": {"resourcePlans": {}}}


def _option(arguments: list[str], name: str) -> str | None:
    return arguments[arguments.index(name) + 1] if name in arguments else None


def main() -> int:
    """Answer one call."""
    arguments = [one for one in sys.argv[1:] if one != "--non-interactive"]
    if arguments == ["version"]:
        sys.stdout.write("v3.200.0\n")
        return 0
    told = json.loads(Path(os.environ["FAKE_PULUMI"]).read_text(encoding="utf-8"))
    variables = {name: os.environ[name] for name in os.environ if name[:3] in {"OS_", "PUL"}}
    file = variables.get("OS_CLIENT_CONFIG_FILE")
    plan = Path(_option(arguments, "--plan") or os.devnull)
    told["calls"].append(
        {
            "arguments": arguments,
            "variables": variables,
            "clouds": Path(file).read_text(encoding="utf-8") if file else "",
            "plan": plan.read_text(encoding="utf-8"),
        }
    )
    Path(os.environ["FAKE_PULUMI"]).write_text(json.dumps(told), encoding="utf-8")
    if arguments[:2] == ["stack", "export"]:
        sys.stdout.write(json.dumps(told["state"]))
        return 0
    if arguments[0] not in WORK:
        sys.stdout.write(json.dumps([HISTORY]) if "history" in arguments else "{}")
        return 0
    log = Path(arguments[arguments.index("--event-log") + 1])
    with log.open("a", encoding="utf-8") as file_:
        for number, event in enumerate([*told["events"], {"cancelEvent": {}}]):
            file_.write(json.dumps({"sequence": number, "timestamp": 0, **event}) + "\n")
    if saved := _option(arguments, "--save-plan"):
        Path(saved).write_text(json.dumps(PLAN), encoding="utf-8")
    sys.stderr.write(told["stderr"])
    return int(told["code"])


sys.exit(main())
