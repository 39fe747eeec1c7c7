"""One host under systemd-nspawn, on its machine's kernel."""

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from catalogue.errors import OutsideError
from lab.hosts import machine, networkd, registry
from lab.hosts.command import run
from lab.hosts.disk import Disk, Identity, network_file

PATIENCE_S = 120  # systemd gives a unit 90 s to stop
SSH_PORT = 22
TCP_LISTEN = "0A"  # Linux's own code, in /proc/net/tcp6
CONTAINER_REBOOTS = 133
SYSTEMD_REBOOTS = signal.SIGRTMIN + 5  # whatever Ctrl-Alt-Delete may do
ENVIRONMENT = {
    "PATH": os.defpath,
    "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1",
    "SYSTEMD_NSPAWN_API_VFS_WRITABLE": "network",  # its own /proc/sys/net
}
# Runs the host; it dies with this process, and this one with the cgroup.
RUN = f"""
echo $$ > "$1/cgroup.procs" && echo $$ > "$2/pid"
while :; do
  setpriv --pdeathsig KILL systemd-nspawn --quiet --boot \
    --register=no --keep-unit --console=pipe --resolv-conf=off --timezone=off --link-journal=no \
    --directory="$2/root" --machine="$3" --uuid="$4" \
    --network-namespace-path="$5" --capability=CAP_NET_ADMIN
  [ $? = {CONTAINER_REBOOTS} ] || break
done
rm -f "$2/pid"
"""


class Host(Disk):
    """A host that is a container: its disk is an overlay over a tree."""

    def make(
        self, tree: Path, identity: Identity, *, disk: Path | None = None, mortal: bool = False
    ) -> None:
        """
        Make its disk over the tree, and its network namespace; it is off.

        The tree is a folder, or the file of a golden image.
        `disk` is the file of a volume that its disk is on; what was written there before, stays.
        A mortal host does not outlive this process: the next one to start hosts removes it.
        """
        registry.register(self.name, folder=self.home, mortal=mortal)
        self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        for folder in ("image", "volume", "root"):
            (self.home / folder).mkdir(exist_ok=True)
        about = {"uuid": identity.uuid.hex, "tree": str(tree), "disk": str(disk) if disk else None}
        (self.home / "host.json").write_text(json.dumps(about))
        machine.make_namespace(self.name)
        self._mount()
        self.personalize(identity)

    # --- its files ---

    @property
    def _about(self) -> dict[str, str]:
        found: dict[str, str] = json.loads((self.home / "host.json").read_text())
        return found

    def _mount(self) -> None:
        if os.path.ismount(self.root):
            return
        about, place = self._about, self.home / "volume"
        if about["disk"] and not os.path.ismount(place):
            machine.mount_disk(Path(about["disk"]), place)
        for folder in ("upper", "work"):
            (place / folder).mkdir(exist_ok=True)
            (place / folder).chmod(0o755)  # the host's own /, whatever the umask
        tree = Path(about["tree"])
        if tree.is_file():
            machine.mount_image(tree, self.home / "image")
            tree = self.home / "image"
        layers = f"lowerdir={tree},upperdir={place}/upper,workdir={place}/work"
        run("mount", "-t", "overlay", self.name, "-o", layers, self.root)

    def add_interface(self, interface: networkd.Interface) -> None:
        """Write what networkd shall do with the interface; a host that is on does it at once."""
        self.write(network_file(interface.mac), networkd.file(interface))
        self._reload_network()

    def remove_interface(self, mac: str) -> None:
        """Have networkd forget the interface."""
        (self.root / network_file(mac)).unlink(missing_ok=True)
        self._reload_network()

    def _reload_network(self) -> None:
        if self.init():
            self.run("networkctl", "reload")

    # --- power ---

    @property
    def is_on(self) -> bool:
        """Say whether it runs."""
        return machine.is_populated(self.name)

    def init(self) -> int | None:
        """Give the machine's number of the host's process 1; None when there is none."""
        runner = self._runner()
        nspawn = runner and _child(runner)
        found = nspawn and _child(nspawn)
        return found if found and _is_first(found) else None

    def _runner(self) -> int | None:
        try:
            pid = (self.home / "pid").read_text().strip()
            there = (machine.cgroup(self.name) / "cgroup.procs").read_text().split()
        except FileNotFoundError:
            return None
        return int(pid) if pid in there else None

    def start(self) -> None:
        """Switch it on, and return when its process 1 runs; on already is fine."""
        if self.init():
            return
        machine.kill(self.name)  # what may be left of it
        machine.make_namespace(self.name)
        self._mount()
        group = machine.cgroup(self.name)
        group.mkdir(parents=True, exist_ok=True)
        words = (group, self.home, self.name, self._about["uuid"])
        with self.console.open("ab") as console:
            subprocess.run(  # noqa: S603  (its own script)
                [
                    *("/usr/bin/setsid", "--fork", "/bin/sh", "-c", RUN, "citydc-host"),
                    *(str(word) for word in (*words, machine.NAMESPACES / self.name)),
                ],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                env=ENVIRONMENT,
                cwd="/",
                check=True,
            )
        self._wait(lambda: self.init() is not None, "does not start")
        self._show_volumes()

    def wait_until_up(self) -> None:
        """Wait until sshd listens; raise OutsideError after two minutes."""
        self._wait(self._listens, "does not listen for ssh")

    def _listens(self) -> bool:
        init = self.init()
        try:
            lines = Path(f"/proc/{init}/net/tcp6").read_text().splitlines()[1:]
        except FileNotFoundError:
            return False
        wanted = f":{SSH_PORT:04X}"
        fields = [line.split() for line in lines]
        return any(one[1].endswith(wanted) and one[3] == TCP_LISTEN for one in fields)

    def stop(self, patience_s: float = 20) -> None:
        """Have it shut down; one that has not after `patience_s` seconds is cut off."""
        runner = self._runner()
        nspawn = runner and _child(runner)
        if nspawn and patience_s:
            os.kill(nspawn, signal.SIGTERM)
            deadline = time.monotonic() + patience_s
            while self.is_on and time.monotonic() < deadline:
                time.sleep(0.05)
        machine.kill(self.name)

    def reboot(self) -> None:
        """Have it reboot, and return when its next process 1 runs."""
        before = self.init()
        if before is None:
            return self.start()
        os.kill(before, SYSTEMD_REBOOTS)
        self._wait(lambda: self.init() not in {None, before}, "does not come back")
        return self._show_volumes()

    def _wait(self, check: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not check():
            if time.monotonic() > deadline:
                raise OutsideError(
                    f"host {self.name} {what} within {PATIENCE_S} s",
                    why=_last_lines(self.console),
                    place=str(self.console),
                )
            time.sleep(0.05)

    def run(self, *words: str | int | Path, stdin: str | None = None) -> str:
        """Run a program in the host as root, with the machine's rights; give what it prints."""
        init = self.init()
        if init is None:
            raise OutsideError(f"host {self.name} is off")
        spaces = ("--mount", "--uts", "--ipc", "--net", "--pid")
        return run("nsenter", f"--target={init}", *spaces, "--", *words, stdin=stdin)

    # --- volumes ---

    def attach(self, file: Path, device: str, serial: str) -> None:
        """Show the file as a block device, also by its serial, now or once it is on."""
        found = machine.volumes(self.home)
        found[device] = {"file": str(file), "serial": serial}
        machine.write_volumes(self.home, found)
        if self.init():
            self._show_volumes()

    def detach(self, device: str) -> None:
        """Take the block device away, mounted or not."""
        found = machine.volumes(self.home)
        volume = found.pop(device)
        machine.write_volumes(self.home, found)
        if self.init():
            name = _by_id(volume["serial"])
            self.run("sh", "-c", 'umount "$1"; rm -f "$1" "$2"', "detach", device, name)
        machine.detach(Path(volume["file"]))

    def _show_volumes(self) -> None:
        for device, volume in machine.volumes(self.home).items():
            number = machine.loop_of(Path(volume["file"])).stat().st_rdev
            major, minor = os.major(number), os.minor(number)
            self.run("sh", "-c", SHOW, "attach", device, major, minor, _by_id(volume["serial"]))


SHOW = """
set -e
umask 022
rm -f "$1"
mknod -m 660 "$1" b "$2" "$3"
mkdir -p /dev/disk/by-id
ln -sf "$1" "$4"
"""


def _by_id(serial: str) -> str:
    """Give the name that udev gives a virtio disk with this serial."""
    return f"/dev/disk/by-id/virtio-{serial[:20]}"


def _child(pid: int) -> int | None:
    try:
        found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return int(found[0]) if found else None


def _is_first(pid: int) -> bool:
    """Say whether it is process 1 of a namespace; nspawn has another child for a moment."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return bool(re.search(r"^NSpid:.*\t1$", status, re.MULTILINE))


def _last_lines(path: Path) -> str:
    try:
        return " | ".join(path.read_text(errors="replace").split("\n")[-5:])
    except FileNotFoundError:
        return ""
