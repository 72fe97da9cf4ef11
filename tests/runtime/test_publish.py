"""Published policies: whole files, one current set, no litter."""

from __future__ import annotations

from pathlib import Path

import pytest

from sidecar.errors import RuntimeSetupError
from sidecar.runtime import publish
from sidecar.runtime.messages import PolicyFacts


def facts(digest: str, name: str = "p") -> PolicyFacts:
    return PolicyFacts(name=name, digest=digest, canonical=f'{{"of": "{digest}"}}')


def test_files_then_current(tmp_path: Path) -> None:
    policies = (facts("b2:aa"), facts("b2:bb", "q"))
    publish.publish_files(tmp_path, policies)
    assert publish.read_current(tmp_path) is None
    publish.publish_current(tmp_path, "set", policies)
    current = publish.read_current(tmp_path)
    assert current is not None
    assert [(listed.name, listed.digest) for listed in current.policies] == [("p", "b2:aa"), ("q", "b2:bb")]
    path = publish.policy_path(tmp_path, "b2:aa")
    assert path.name == "b2-aa.json"
    assert path.read_text() == policies[0].canonical
    assert path.stat().st_mode & 0o777 == 0o600


def test_damaged_file_is_mended(tmp_path: Path) -> None:
    publish.publish_files(tmp_path, [facts("b2:aa")])
    path = publish.policy_path(tmp_path, "b2:aa")
    path.write_text("damage")
    publish.publish_files(tmp_path, [facts("b2:aa")])
    assert path.read_text() == facts("b2:aa").canonical


def test_many_reloads_leave_a_bounded_folder(tmp_path: Path) -> None:
    for number in range(100):
        policies = (facts(f"b2:{number:04}"),)
        publish.publish_files(tmp_path, policies)
        publish.publish_current(tmp_path, str(number), policies)
    assert len(list((tmp_path / publish.FOLDER).iterdir())) == publish.KEPT_OLD + 2
    assert publish.policy_path(tmp_path, "b2:0099").exists()


def test_disk_that_refuses(tmp_path: Path) -> None:
    (tmp_path / publish.FOLDER).write_text("in the way")
    with pytest.raises(RuntimeSetupError, match="cannot be published"):
        publish.publish_files(tmp_path, [facts("b2:aa")])


def test_set_id_is_of_policies_and_platform() -> None:
    one = publish.set_id_of([facts("a"), facts("b")], "x")
    assert one == publish.set_id_of([facts("a"), facts("b")], "x")
    assert len({one, publish.set_id_of([facts("a")], "x"), publish.set_id_of([facts("a"), facts("b")], "y")}) == 3
