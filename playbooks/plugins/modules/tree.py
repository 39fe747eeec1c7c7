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
import shlex
import shutil
import subprocess
import tempfile

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

ROLLBACK = "/var/lib/citydc/rollback"
LIVE = "/var/lib/citydc/live"
LOCK = "/run/citydc-tree.lock"
UNIT = "citydc-rollback-"

SCRIPT = """#!/bin/sh
# Puts back what was there before {name} was changed.
[ -e {folder}/armed ] || exit 0
{commands}
{apply}
rm -rf {folder}
"""


class Change:
    """A path, what is there, and what must be."""

    def __init__(self, path, before, after):
        self.path, self.before, self.after = path, before, after

    def diff(self):
        """Describe the change as Ansible shows it."""
        return {
            "before_header": self.path,
            "after_header": self.path,
            "before": _shown(self.before),
            "after": _shown(self.after),
        }


def _shown(state):
    if state is None:
        return ""
    kind, content, mode, owner, group = state
    if kind == "file":
        return content.decode(errors="replace")
    return f"{kind} {content.decode()} {mode or 0:04o} {owner} {group}\n"


def current(path):
    """Return the state of a path: kind, content, mode, owner's and group's ids, or None."""
    try:
        found = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    mode = found.st_mode & 0o7777
    if os.path.islink(path):
        return ("link", os.readlink(path).encode(), None, None, None)
    if os.path.isdir(path):
        return ("folder", b"", mode, found.st_uid, found.st_gid)
    with open(path, "rb") as file:
        return ("file", file.read(), mode, found.st_uid, found.st_gid)


def wanted(parameters, lenient):
    """Yield each path with the state that it must have; None is for nothing."""
    def owned(one):
        try:
            return pwd.getpwnam(one["owner"]).pw_uid, grp.getgrnam(one["group"]).gr_gid
        except KeyError:
            if lenient:  # in a check run the package that makes the account is not there yet
                return 0, 0
            raise

    for one in parameters["folders"]:
        yield one["path"], ("folder", b"", int(one["mode"], 8), *owned(one))
    for one in parameters["files"]:
        yield one["path"], ("file", one["content"].encode(), int(one["mode"], 8), *owned(one))
    for path, target in parameters["links"].items():
        yield path, ("link", target.encode(), None, None, None)
    for path in parameters["absent"]:
        yield path, None


def write(path, state):
    """Make the path what it must be, in one step: no reader sees half a file."""
    if state is None:
        if os.path.lexists(path):
            os.unlink(path)
        return
    kind, content, mode, owner, group = state
    if kind == "folder":
        os.makedirs(path, exist_ok=True)
        os.chown(path, owner, group)
        os.chmod(path, mode)
        return
    os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
    if os.path.isdir(path) and not os.path.islink(path):
        raise OSError(f"{path} is a folder")
    if kind == "link":
        new = tempfile.mktemp(prefix=".citydc-", dir=os.path.dirname(path))
        os.symlink(content.decode(), new)
    else:
        descriptor, new = tempfile.mkstemp(prefix=".citydc-", dir=os.path.dirname(path))
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            os.fchown(descriptor, owner, group)
            os.fchmod(descriptor, mode)
            file.flush()
            os.fsync(descriptor)
    os.replace(new, path)


def arm(name, changes, apply, seconds):
    """Save what is there and set the timer that puts it back."""
    folder = f"{ROLLBACK}/{name}"
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder, mode=0o700)
    commands = []
    for number, one in enumerate(changes):
        path = shlex.quote(one.path)
        if one.before is None:
            commands.append(f"rm -f {path} 2>/dev/null || rmdir {path}")
        elif one.before[0] == "folder":
            _, _, mode, owner, group = one.before
            commands.append(f"chown {owner}:{group} {path}; chmod {mode:o} {path}")
        else:
            saved = f"{folder}/{number}"
            run(f"cp -a {path} {saved}")
            commands.append(f"rm -f {path}; cp -a {saved} {path}")
    with open(f"{folder}/rollback", "w") as file:
        apply = f"{apply} || true" if apply else ""
        file.write(
            SCRIPT.format(name=name, folder=folder, commands="\n".join(commands), apply=apply)
        )
    os.sync()
    with open(f"{folder}/armed", "w"):
        pass
    _timer(name, "stop")
    run(
        f"systemd-run --quiet --collect --unit={UNIT}{name} --on-active={seconds}"
        f" --timer-property=AccuracySec=1s /bin/sh {folder}/rollback"
    )


def _timer(name, verb):
    subprocess.run(["systemctl", "--quiet", verb, f"{UNIT}{name}.timer"], check=False,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def disarm(name):
    """Keep what was written; return whether it was still there to keep."""
    try:
        os.unlink(f"{ROLLBACK}/{name}/armed")
    except FileNotFoundError:
        return False
    _timer(name, "stop")
    shutil.rmtree(f"{ROLLBACK}/{name}", ignore_errors=True)
    return True


def take_back(name):
    """Put back now what an earlier run left unconfirmed."""
    _timer(name, "stop")
    run(f"sh {ROLLBACK}/{name}/rollback")


def run(command):
    """Run a command of the shell and return what it printed.  Raise RuntimeError if it failed."""
    done = subprocess.run(["/bin/sh", "-c", command], check=False, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE)
    if done.returncode:
        said = (done.stderr or done.stdout).decode(errors="replace").strip()
        raise RuntimeError(f"{command}: {said or done.returncode}")
    return done.stdout


def kept(name):
    """Return what `live` printed after the last change, or None."""
    state = current(f"{LIVE}/{name}")
    return state[1] if state else None


def printed(command):
    """Return what a command prints, or nothing where it can't run yet."""
    try:
        return run(command)
    except RuntimeError:
        return b""


def change(parameters, check_mode):
    """Do what is asked for; return the changes.  Raise RuntimeError, having put back all."""
    guard, live = parameters["guard"], parameters["live"]
    if guard and not check_mode and os.path.exists(f"{ROLLBACK}/{guard}/armed"):
        take_back(guard)
    states = dict(wanted(parameters, check_mode))
    changes = [
        Change(path, before, after)
        for path, after in states.items()
        if (before := current(path)) != after
    ]
    before = kept(parameters["name"])
    found = printed(live) if live else before
    if not changes and found == before:
        return []
    by_hand = [] if found == before else [Change(live, _text(before), _text(found))]
    if not check_mode:
        if guard:
            arm(guard, changes, parameters["apply"], parameters["seconds"])
        make(parameters, changes)
        if live:
            write(f"{LIVE}/{parameters['name']}", _text(run(live)))
    return changes or by_hand


def _text(content):
    return None if content is None else ("file", content, 0o600, 0, 0)


def make(parameters, changes):
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
            if one.after and one.after[0] == "folder" and one.before is None:
                os.rmdir(one.path)
            else:
                write(one.path, one.before)
        if effective:
            subprocess.run(["/bin/sh", "-c", parameters["apply"]], check=False)
        disarm(parameters["guard"])
        raise


def main():
    """Run the module."""
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
        with open(LOCK, "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # of a run that was cut off, and goes on here
            changes = change(module.params, module.check_mode)
    except (OSError, RuntimeError, KeyError) as error:
        module.fail_json(msg=f"nothing was changed: {error}")
    module.exit_json(
        changed=bool(changes),
        paths=[one.path for one in changes],
        diff=[one.diff() for one in changes],
    )


if __name__ == "__main__":
    main()
