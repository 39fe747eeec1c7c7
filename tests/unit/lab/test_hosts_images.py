"""The store of golden images, without a file system made."""

import hashlib
from pathlib import Path
from typing import Any

import pytest

from lab.hosts import images

CONTENT = b"\0" * images.MAGIC_AT + images.MAGIC


def _run(*words: Any) -> str:
    """Stand for du and mke2fs."""
    if words[0] == "mke2fs":
        Path(words[-2]).write_bytes(CONTENT)
    return "4096 ."


def _pack(cache: Path, inputs: str) -> images.Image:
    with images.workshop(cache) as folder:
        return images.pack(cache / "root", inputs, folder)


def test_image_is_found_by_its_inputs_and_named_by_its_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What other inputs made is another image."""
    monkeypatch.setattr(images, "run", _run)
    made = _pack(tmp_path, "these")
    assert made.name == f"debian-12-{hashlib.sha256(CONTENT).hexdigest()[:12]}"
    assert made.sha512 == hashlib.sha512(CONTENT).hexdigest()
    assert made.file.read_bytes() == CONTENT
    assert images.find("these", tmp_path) == made
    assert images.find("others", tmp_path) is None


def test_build_that_fails_or_was_killed_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither an image nor a file, whether it could clean up or not."""

    def interrupt(*_: Any) -> str:
        raise KeyboardInterrupt

    (tmp_path / "part" / "image").mkdir(parents=True)
    monkeypatch.setattr(images, "run", interrupt)
    with pytest.raises(KeyboardInterrupt):
        _pack(tmp_path, "these")
    assert images.every(tmp_path) == []
    assert [path.name for path in tmp_path.iterdir()] == ["lock"]


def test_file_that_is_no_file_system_is_no_golden_image(tmp_path: Path) -> None:
    """The lab's stand-in is told from an image that hosts start from; so is an empty file."""
    for name, content in {"golden": CONTENT, "other": b"a title", "empty": b""}.items():
        (tmp_path / name).write_bytes(content)
    assert images.is_file_system(tmp_path / "golden")
    assert not images.is_file_system(tmp_path / "other")
    assert not images.is_file_system(tmp_path / "empty")


def test_image_that_is_kept_outlives_its_first_place(tmp_path: Path) -> None:
    """A volume's image stays when the image service deletes it; to keep it again is fine."""
    file, kept = tmp_path / "image", tmp_path / "images" / "sum"
    file.write_bytes(CONTENT)
    images.keep(file, kept)
    images.keep(file, kept)
    file.unlink()
    assert kept.read_bytes() == CONTENT
