"""Policies by digest: from frames, from files, and never a wrong one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sidecar import policy as room
from sidecar.exchange import Kind, PolicyPublished, encode
from sidecar.journal import Reader
from sidecar.policy import Policy
from sidecar.runtime.book import PolicyBook
from sidecar.runtime.publish import policy_path
from tests.e2e.processes import BENCH_POLICY
from tests.journal.records import open_writer


class Log(list[tuple[str, Mapping[str, Any]]]):
    """What the book says."""

    def __call__(self, event: str, fields: Mapping[str, Any]) -> None:
        self.append((event, fields))


def bench() -> Policy:
    (policy,) = room.load([BENCH_POLICY]).policies
    return policy


def publish(data: Path, digest: str, canonical: bytes) -> None:
    path = policy_path(data, digest)
    path.parent.mkdir(parents=True)
    path.write_bytes(canonical)


def test_a_published_policy_is_compiled_once(tmp_path: Path) -> None:
    policy = bench()
    digest = room.digest(policy)
    book = PolicyBook(tmp_path, log=Log())
    assert book.guard(digest) is None, "not known yet"
    publish(tmp_path, digest, room.to_canonical(policy))
    guard = book.guard(digest)
    assert guard is not None
    assert guard.identity.digest == digest
    assert book.guard(digest) is guard
    document = book.document(digest)
    assert document is not None
    assert document["policy"] == "bench"


def test_a_policy_in_the_journal_is_known_without_a_file(tmp_path: Path) -> None:
    policy = bench()
    digest = room.digest(policy)
    record = PolicyPublished(digest=digest, name="bench", version="", published_unix_ns=1)
    open_writer(tmp_path / "journal").append(Kind.POLICY, encode(record), (room.to_canonical(policy),))
    book = PolicyBook(tmp_path, log=Log())
    for read in Reader(tmp_path / "journal").read():
        book.learn(read)
    assert book.policy(digest) == policy
    assert book.guard(digest) is not None


def test_what_is_no_policy_is_said_once_and_is_none(tmp_path: Path) -> None:
    log = Log()
    publish(tmp_path, "b2:00", b'{"policy": 1}')
    book = PolicyBook(tmp_path, log=log)
    assert book.guard("b2:00") is None
    assert book.guard("b2:00") is None
    assert [event for event, _ in log] == ["policy.unusable"]


def test_a_digest_is_never_a_path(tmp_path: Path) -> None:
    (tmp_path / "secret.json").write_bytes(b"{}")
    book = PolicyBook(tmp_path, log=Log())
    assert book.document("b2:/../../secret") is None
    assert book.document("../secret") is None
