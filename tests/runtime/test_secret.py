"""The key: made once, private, long enough."""

from __future__ import annotations

from pathlib import Path

import pytest

from sidecar.errors import RuntimeSetupError
from sidecar.runtime.secret import ensure_secret, read_secret


def test_made_once(tmp_path: Path) -> None:
    path = ensure_secret(tmp_path, "")
    key = read_secret(path)
    assert (len(bytes.fromhex(key.decode())), path.stat().st_mode & 0o777) == (32, 0o600)
    assert read_secret(ensure_secret(tmp_path, "")) == key
    assert [file.name for file in tmp_path.iterdir()] == ["secret"]


def test_others_must_not_read_our_own(tmp_path: Path) -> None:
    ensure_secret(tmp_path, "").chmod(0o644)
    with pytest.raises(RuntimeSetupError, match="chmod 600"):
        ensure_secret(tmp_path, "")


@pytest.mark.parametrize(("content", "said"), [(b"short", "5 bytes; a key has at least 32"), (b"x" * 5000, "no key")])
def test_mounted_file_must_be_a_key(tmp_path: Path, content: bytes, said: str) -> None:
    file = tmp_path / "mounted"
    file.write_bytes(content)
    with pytest.raises(RuntimeSetupError, match=said):
        ensure_secret(tmp_path, str(file))


def test_mounted_file_is_used(tmp_path: Path) -> None:
    file = tmp_path / "mounted"
    file.write_bytes(b"k" * 40 + b"\n")
    assert read_secret(ensure_secret(tmp_path, str(file))) == b"k" * 40
    assert not (tmp_path / "secret").exists()


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(RuntimeSetupError, match="cannot be read"):
        ensure_secret(tmp_path, str(tmp_path / "none"))
