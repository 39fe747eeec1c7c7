"""Data of one site brought back on the other, whose cloud knows nothing of the first."""

import hashlib
import secrets
from pathlib import Path

import pytest
from lab_helpers import LIMIT_S, LabOfTests, delete_volume, settled, volume_file


@pytest.mark.parametrize(("here", "there"), [("main", "backup"), ("backup", "main")])
def test_backups_of_a_lost_volume_are_restored_on_the_other_site(
    lab: LabOfTests, here: str, there: str
) -> None:
    """A full and an incremental backup, imported by their records, give the volume's last bytes."""
    with lab.cloud(here) as first, lab.cloud(there) as second:
        volumes, others = first.block_storage, second.block_storage
        volume = settled(volumes.get_volume, volumes.create_volume(size=1), "available")
        path = volume_file(lab, here, volume)
        backups = []
        for offset, incremental in ((0, False), (500 << 20, True)):
            _write(path, offset, secrets.token_bytes(1 << 20))
            made = volumes.create_backup(volume_id=volume.id, is_incremental=incremental)
            backups.append(settled(volumes.get_backup, made, "available"))
        for backup in backups:  # the SDK's own call has a wrong address
            record = volumes.get(f"/backups/{backup.id}/export_record").json()
            others.post("/backups/import_record", json=record)
            settled(others.get_backup, backup, "available")
        wanted = _digest(path)
        path.unlink()

        answer = others.restore_backup(backups[1].id, name="restored")
        restored = settled(others.get_volume, others.get_volume(answer.volume_id), "available")
        found = _digest(volume_file(lab, there, restored))

        delete_volume(second, restored)
        delete_volume(first, volume)
        for backup in reversed(backups):
            volumes.delete_backup(backup)
            volumes.wait_for_delete(backup, wait=LIMIT_S, interval=0.2)
    assert found == wanted


def _write(path: Path, offset: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(data)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
