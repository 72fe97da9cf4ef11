"""The key: made once, private, long enough."""

from __future__ import annotations

from pathlib import Path

import pytest

from sidecar.errors import RuntimeSetupError
from sidecar.runtime.secret import ensure_secret, read_secret, read_token
from sidecar.runtime.settings import resolve


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


BAD_TOKENS = [
    (b"", "holds no token"),
    (b" \n\n", "holds no token"),
    (b"two words", "one word"),
    (b"t\xc3\xb6ken", "one word"),
]


@pytest.mark.parametrize(("content", "said"), BAD_TOKENS)
@pytest.mark.parametrize("name", ["admin_token_file", "feedback_token_file"])
def test_a_token_file_that_locks_nobody_out_is_refused(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    file = tmp_path / "token"
    file.write_bytes(content)
    with pytest.raises(RuntimeSetupError, match=f"--x {file}: .*{said}"):
        read_token(str(file), "--x")
    with pytest.raises(RuntimeSetupError, match=f"{name.replace('_', '-')} {file}: .*{said}"):
        resolve({name: str(file)}, {})


def test_a_token_is_read_without_the_line_end_that_editors_add(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_bytes(b"s3cret+/=\r\n")
    assert read_token(str(file), "--x") == "s3cret+/="
    assert read_token("", "--x") == ""
    with pytest.raises(RuntimeSetupError, match="No such file"):
        read_token(str(tmp_path / "none"), "--x")
