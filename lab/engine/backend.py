"""Pulumi's file backend: where a stack's state and locks are, read and written whole."""

import contextlib
import getpass
import json
import os
import socket
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import yaml

from catalogue.errors import BadInputError, OutsideError
from lab import files
from lab.engine.resource import now

VERSION = 3
_OFFICIAL = "use the official CLI (citydc --engine pulumi) for this backend"


class Backend:
    """
    The folder that a `file://` URL names, in the layout of Pulumi's own file backend.

    Raise BadInputError for another kind of URL.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme != "file":
            raise BadInputError(
                f"the embedded engine cannot keep state in {parts.scheme or url}",
                why="it knows Pulumi's file backend only",
                remedy=f"set PULUMI_BACKEND_URL to file://FOLDER, or {_OFFICIAL}",
                place=url,
            )
        path = unquote(parts.netloc + parts.path)
        self.folder = Path(path).expanduser().absolute() / ".pulumi"

    def stack_file(self, project: str, stack: str) -> Path:
        """Return the file that holds a stack's state."""
        return self.folder / "stacks" / project / f"{stack}.json"

    def read(self, project: str, stack: str) -> dict[str, Any] | None:
        """
        Return a stack's deployment, or None where there is none yet.

        Raise BadInputError for a damaged file or a layout that only the official CLI knows.
        """
        return self._checkpoint(project, stack).get("latest")

    def plan(self, project: str, stack: str) -> dict[str, str]:
        """Return which plan the last run carried out ("id") and when it was "done", if any."""
        plan = self._checkpoint(project, stack).get("plan")
        return plan if isinstance(plan, dict) else {}

    def _checkpoint(self, project: str, stack: str) -> dict[str, Any]:
        path = self.stack_file(project, stack)
        self._check_layout(path, project, stack)
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return {}
        except (OSError, UnicodeDecodeError) as error:
            raise damaged(path, str(error)) from error
        try:
            whole = json.loads(text)
        except ValueError as error:
            raise damaged(path, f"it is not JSON ({error})") from error
        if not isinstance(whole, dict) or not isinstance(whole.get("checkpoint"), dict):
            raise damaged(path, "it holds no checkpoint")
        if whole.get("version") != VERSION:
            raise damaged(path, f"its version is {whole.get('version')}, not {VERSION}")
        latest = whole["checkpoint"].get("latest")
        if latest is not None and not isinstance(latest, dict):
            raise damaged(path, "its deployment is no mapping")
        return dict(whole["checkpoint"])

    def _check_layout(self, path: Path, project: str, stack: str) -> None:
        for packed in (path.with_suffix(".json.gz"), path.with_suffix(".json.zst")):
            if packed.exists():
                raise BadInputError("the state is compressed", remedy=_OFFICIAL, place=str(packed))
        journal = self.folder / "journal" / project / stack
        if journal.is_dir() and any(journal.iterdir()):
            raise BadInputError(
                "the official CLI was interrupted on this stack and left a journal",
                remedy="run `pulumi refresh` or `pulumi up` once, so that it is taken in",
                place=str(journal),
            )
        self._check_version()

    def _check_version(self) -> None:
        meta = self.folder / "meta.yaml"
        try:
            version = (yaml.safe_load(meta.read_text()) or {}).get("version")
        except FileNotFoundError:
            version = 0 if any((self.folder / "stacks").glob("*.json")) else 1
        except (OSError, UnicodeDecodeError, AttributeError, yaml.YAMLError) as error:
            raise damaged(meta, str(error)) from error
        if version != 1:
            raise BadInputError(
                f"the backend has layout version {version}",
                why="this engine knows version 1, with stacks by project",
                remedy="run `pulumi state upgrade`",
                place=str(meta),
            )

    def prepare(self, project: str) -> None:
        """
        Make the folders of a project, closed to others.

        Raise OutsideError if that fails, BadInputError for a layout of another version.
        """
        self._check_version()
        try:
            files.make_folder(self.folder / "stacks" / project)
            meta = self.folder / "meta.yaml"
            if not meta.exists():
                with tempfile.TemporaryDirectory(dir=self.folder) as own:  # other stacks may do so
                    files.write(meta, "version: 1\n", beside=Path(own))
        except OSError as error:
            raise cannot_write(self.folder, error) from error

    @contextlib.contextmanager
    def lock(self, project: str, stack: str, say: Callable[[str], None]) -> Iterator[Path]:
        """
        Hold the stack's lock, as the official CLI does.

        A lock that a dead process of this host left is taken over, and that is said.  Raise
        OutsideError while another run holds it or none can be written, BadInputError for one that
        cannot be read.
        """
        folder = self.folder / "locks" / "organization" / project / stack
        mine = folder / f"{uuid.uuid4()}.json"
        content = {
            "pid": os.getpid(),
            "username": _user(),
            "hostname": socket.gethostname(),
            "timestamp": now(),
            "started": _started(os.getpid()),
        }
        try:
            files.make_folder(folder)
            _check_locks(folder, mine, say)
            files.write(mine, json.dumps(content), beside=self.folder)
        except OSError as error:
            raise cannot_write(folder, error) from error
        try:
            _check_locks(folder, mine, say)
            yield mine
        finally:
            mine.unlink(missing_ok=True)


def _check_locks(folder: Path, mine: Path, say: Callable[[str], None]) -> None:
    """
    Remove the locks of dead processes.

    Raise OutsideError for a live one, BadInputError for one that cannot be read.
    """
    for lock in sorted(folder.iterdir()):
        if lock == mine:
            continue
        try:
            owner = json.loads(lock.read_text())
            pid, host = int(owner["pid"]), str(owner["hostname"])
        except FileNotFoundError:
            continue
        except (ValueError, KeyError, TypeError) as error:
            raise BadInputError(
                "the stack is locked, and the lock cannot be read",
                why=str(error),
                remedy="make sure that nothing else works on the stack, then delete the file",
                place=str(lock),
            ) from error
        started = _started(pid)
        if host == socket.gethostname() and (
            started is None or owner.get("started") not in (None, started)
        ):
            say(f"taking over the lock of process {pid}, which is dead")
            lock.unlink(missing_ok=True)
            continue
        raise OutsideError(
            "the stack is locked by another run",
            why=f"process {pid} of {owner.get('username')} on {host}"
            f" has held it since {owner.get('timestamp')}",
            remedy="wait until it ends; if it is dead, delete the file (or run `pulumi cancel`)",
            place=str(lock),
        )


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user that no passwd knows
        return str(os.getuid())


def _started(pid: int) -> str | None:
    """Return when a process of this host started (clock ticks since boot); None: it is dead."""
    try:
        after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if after_name[0] == "Z" else after_name[19]


def keep_backup(path: Path) -> None:
    """Keep a file's present content as FILE.bak."""
    if path.exists():
        link = path.with_suffix(".json.bak.new")
        link.unlink(missing_ok=True)
        os.link(path, link)
        link.replace(path.with_suffix(".json.bak"))


def damaged(path: Path, why: str) -> BadInputError:
    """Return the error for a state file that cannot be used."""
    backup = path.with_suffix(".json.bak")
    remedy = (
        f"look at it; if it is lost, put back the state before the last run: cp {backup} {path}"
        if backup.exists()
        else "put back a copy of it"
    )
    return BadInputError("the state is damaged", why=why, remedy=remedy, place=str(path))


def cannot_write(path: Path, error: OSError) -> OutsideError:
    """Return the error for a state that cannot be written."""
    return OutsideError(
        "the state cannot be written",
        why=error.strerror or str(error),
        remedy="free space or correct the permissions, then run again:"
        " what the last run began is taken over",
        place=str(path),
    )
