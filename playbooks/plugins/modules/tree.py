"""
Writes a role's files on a host in one go, and takes them back unless a new connection confirms.

One run of a module costs more than a file does, so a role's files come together.  What could lock
everybody out has a guard: before anything is written, what is there is saved together with a script
that puts it back, and a timer is set that runs it.  Whoever changes the host confirms over a fresh
connection; whoever is cut off meanwhile finds the host as it was.  A reboot takes back as well.
"""

import fcntl
import grp
import os
import pwd
import secrets
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = """
module: tree
short_description: Writes many files at once, guarded by a rollback
description:
  - Writes files, links and folders and removes others; all or nothing.
options:
  files:
    description: Path, content, mode, owner and group of each file.
    type: list
    elements: dict
    default: []
  folders:
    description: Path, mode, owner and group of each folder.
    type: list
    elements: dict
    default: []
  links:
    description: Where each symbolic link leads.
    type: dict
    default: {}
  absent:
    description: Files and links that must not be there.
    type: list
    elements: path
    default: []
  check:
    description: What judges the files once they are there; they are put back when it fails.
    type: str
    default: ""
  apply:
    description: What makes changed files effective.
    type: str
    default: ""
  live:
    description:
      - What prints the state that the files have made.  When it prints something else than after
        the last change, somebody changed the running state by hand, and C(apply) is run again.
    type: str
    default: ""
  name:
    description: What tells this tree from the others of the host; needed with C(live).
    type: str
    default: ""
  guard:
    description: The guard's name; without one, nothing is taken back later.
    type: str
    default: ""
  seconds:
    description: After how many seconds without confirmation all is taken back.
    type: int
    default: 60
  confirm:
    description: The name of a guard that is no longer needed; all else is left out then.
    type: str
    default: ""
"""

ROLLBACK = Path("/var/lib/citydc/rollback")
LIVE = Path("/var/lib/citydc/live")
LOCK = Path("/run/citydc-tree.lock")
UNIT = "citydc-rollback-"
WAITING = ("armed", "taken")  # a change that nobody confirmed yet, one that is being taken back

SCRIPT = """#!/bin/sh
# Puts back what was there before {name} was changed; at boot what starts later reads it by itself.
[ -e {folder}/taken ] || mv {folder}/armed {folder}/taken 2>/dev/null || exit 0
{commands}
[ "$1" = boot ] || {{
{apply}
}}
rm -rf {folder}
"""


class State(NamedTuple):
    """What a path is; a link has neither mode nor owner."""

    kind: str
    content: bytes = b""
    mode: int = 0
    owner: int = 0
    group: int = 0

    def shown(self) -> str:
        """Describe it as Ansible shows differences."""
        if self.kind == "file":
            return self.content.decode(errors="replace")
        return f"{self.kind} {self.content.decode()} {self.mode:04o} {self.owner}:{self.group}\n"


@dataclass(frozen=True)
class Change:
    """A path, what is there, and what must be."""

    path: Path
    before: State | None
    after: State | None

    def diff(self) -> dict[str, str]:
        """Describe the change as Ansible shows it."""
        return {
            "before_header": str(self.path),
            "after_header": str(self.path),
            "before": self.before.shown() if self.before else "",
            "after": self.after.shown() if self.after else "",
        }


def current(path: Path) -> State | None:
    """Return the state of a path, None for nothing."""
    try:
        found = path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    if path.is_symlink():
        return State("link", os.fsencode(path.readlink()))
    rights = (found.st_mode & 0o7777, found.st_uid, found.st_gid)
    if path.is_dir():
        return State("folder", b"", *rights)
    return State("file", path.read_bytes(), *rights)


def wanted(parameters: Mapping[str, Any], *, lenient: bool) -> Iterator[tuple[Path, State | None]]:
    """
    Yield each path with the state that it must have; None is for nothing.

    Raise KeyError for an account that is not there, unless lenient: in a check run the package that
    makes it may be missing still.
    """

    def owned(one: Mapping[str, str]) -> tuple[int, int]:
        try:
            return pwd.getpwnam(one["owner"]).pw_uid, grp.getgrnam(one["group"]).gr_gid
        except KeyError:
            if lenient:
                return 0, 0
            raise

    for one in parameters["folders"]:
        yield Path(one["path"]), State("folder", b"", int(one["mode"], 8), *owned(one))
    for one in parameters["files"]:
        content = one["content"].encode()
        yield Path(one["path"]), State("file", content, int(one["mode"], 8), *owned(one))
    for path, target in parameters["links"].items():
        yield Path(path), State("link", target.encode())
    for path in parameters["absent"]:
        yield Path(path), None


def write(path: Path, state: State | None) -> None:
    """Make the path what it must be, in one step: no reader sees half a file."""
    if state is None:
        path.unlink(missing_ok=True)
    elif state.kind == "folder":
        path.mkdir(parents=True, exist_ok=True)
        os.chown(path, state.owner, state.group)
        path.chmod(state.mode)
    else:
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        new = path.with_name(f".citydc-{secrets.token_hex(8)}")
        if state.kind == "link":
            new.symlink_to(os.fsdecode(state.content))
        else:
            _write_file(new, state)
        new.replace(path)


def _write_file(path: Path, state: State) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(state.content)
        os.fchown(descriptor, state.owner, state.group)
        os.fchmod(descriptor, state.mode)
        file.flush()
        os.fsync(descriptor)


def arm(name: str, changes: Sequence[Change], apply: str, seconds: int) -> None:
    """Save what is there and set the timer that puts it back."""
    folder = ROLLBACK / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700, parents=True)
    commands = [_putting_back(one, folder / str(number)) for number, one in enumerate(changes)]
    (folder / "rollback").write_text(
        SCRIPT.format(
            name=name,
            folder=folder,
            commands="\n".join(commands),
            apply=f"({apply}) || true" if apply else "true",
        )
    )
    os.sync()
    (folder / "armed").touch()
    _timer(name, "stop")
    run(
        f"systemd-run --quiet --collect --unit={UNIT}{name} --on-active={seconds}"
        f" --timer-property=AccuracySec=1s /bin/sh {folder}/rollback"
    )


def _putting_back(one: Change, saved: Path) -> str:
    """Save a path and return the command that puts it back."""
    path = shlex.quote(str(one.path))
    if one.before is None:
        return f"rm -f {path} 2>/dev/null || rmdir {path}"
    if one.before.kind == "folder":
        rights = f"{one.before.owner}:{one.before.group}"
        return f"chown {rights} {path}; chmod {one.before.mode:o} {path}"
    run(f"cp -a {path} {saved}")
    return f"rm -f {path}; cp -a {saved} {path}"


def _timer(name: str, verb: str) -> None:
    silent = subprocess.DEVNULL
    words = ["systemctl", "--quiet", verb, f"{UNIT}{name}.timer"]
    subprocess.run(words, check=False, stdout=silent, stderr=silent)  # noqa: S603  by roles alone


def disarm(name: str) -> bool:
    """Keep what was written; return whether it was still there to keep."""
    try:
        (ROLLBACK / name / "armed").unlink()
    except FileNotFoundError:
        return False
    _timer(name, "stop")
    shutil.rmtree(ROLLBACK / name, ignore_errors=True)
    return True


def take_back(name: str) -> None:
    """Put back now what an earlier run left unconfirmed."""
    _timer(name, "stop")
    run(f"sh {ROLLBACK}/{name}/rollback")


def run(command: str) -> bytes:
    """Run a command of the shell and return what it printed.  Raise RuntimeError if it failed."""
    done = subprocess.run(["/bin/sh", "-c", command], check=False, capture_output=True)  # noqa: S603  by roles alone
    if done.returncode:
        said = (done.stderr or done.stdout).decode(errors="replace").strip()
        raise RuntimeError(f"{command}: {said or done.returncode}")
    return done.stdout


def printed(command: str) -> bytes:
    """Return what a command prints, or nothing where it can't run yet."""
    try:
        return run(command)
    except RuntimeError:
        return b""


def change(parameters: Mapping[str, Any], *, check_mode: bool) -> list[Change]:
    """Do what is asked for; return the changes.  Raise RuntimeError, having put back all."""
    guard, live = parameters["guard"], parameters["live"]
    if guard and not check_mode and any((ROLLBACK / guard / one).exists() for one in WAITING):
        take_back(guard)
    states = dict(wanted(parameters, lenient=check_mode))
    changes = [
        Change(path, before, after)
        for path, after in states.items()
        if (before := current(path)) != after
    ]
    noted = LIVE / parameters["name"]
    before = current(noted) if live else None
    found = State("file", printed(live), 0o600) if live else None
    if not changes and found == before:
        return []
    if not check_mode:
        if guard:
            noting = [Change(noted, before, None)] if live else []
            arm(guard, [*changes, *noting], parameters["apply"], parameters["seconds"])
        make(parameters, changes)
        if live:
            write(noted, State("file", run(live), 0o600))
    return changes or [Change(noted, before, found)]


def make(parameters: Mapping[str, Any], changes: Sequence[Change]) -> None:
    """Write the changes and make them effective; put all back if anything fails."""
    effective = False
    try:
        for one in changes:
            write(one.path, one.after)
        if parameters["check"]:
            run(parameters["check"])
        effective = True
        if parameters["apply"]:
            run(parameters["apply"])
    except (OSError, RuntimeError):
        for one in reversed(changes):
            if one.before is None and one.path.is_dir() and not one.path.is_symlink():
                one.path.rmdir()
            else:
                write(one.path, one.before)
        if effective:
            subprocess.run(["/bin/sh", "-c", parameters["apply"]], check=False)  # noqa: S603  by roles alone
        if parameters["guard"]:
            disarm(parameters["guard"])
        raise


def main() -> None:
    """Run the module."""
    os.umask(0o022)  # sudo's would close the folders above a file to all but root
    module = AnsibleModule(
        argument_spec={
            "files": {"type": "list", "elements": "dict", "default": []},
            "folders": {"type": "list", "elements": "dict", "default": []},
            "links": {"type": "dict", "default": {}},
            "absent": {"type": "list", "elements": "path", "default": []},
            "check": {"type": "str", "default": ""},
            "apply": {"type": "str", "default": ""},
            "live": {"type": "str", "default": ""},
            "name": {"type": "str", "default": ""},
            "guard": {"type": "str", "default": ""},
            "seconds": {"type": "int", "default": 60},
            "confirm": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    if module.params["confirm"]:
        module.exit_json(changed=False, confirmed=disarm(module.params["confirm"]))
    try:
        with LOCK.open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # of a run that was cut off, and goes on here
            changes = change(module.params, check_mode=module.check_mode)
    except (OSError, RuntimeError, KeyError) as error:
        module.fail_json(msg=f"nothing was changed: {error}")
    module.exit_json(
        changed=bool(changes),
        paths=[str(one.path) for one in changes],
        diff=[one.diff() for one in changes],
    )


if __name__ == "__main__":
    main()
