"""Policies replaced while requests flow: a bad one never replaces a good one, and no request sees two (P6)."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.kit.client import Answer, request

from .books import Books
from .load import Answered, Load, row
from .processes import Model, Sidecar, eventually

RELOADS = int(os.environ.get("SIDECAR_RELOADS", "200"))
STILL_SECONDS = 0.4  # less than a poll of the watch: a file that changes this often is not read
INFER = "/v2/models/credit/infer"
JSON = {"content-type": "application/json"}

GOOD = """policy: credit
version: 1.0.{number}
owner: {{team: risk}}
model: {{protocol: oip, name: credit, columns: {{input-0: [age, income]}}}}
contract:
  mode: enforce
  features:
    age: {{type: int, min: 0, max: {maximum}, on_violation: {action}}}
    income: {{type: float, min: 0}}
  prediction:
    score: {{type: float, min: 0, max: {score}}}
"""


def written(number: int) -> str:
    """Odd ones clamp an age of 75 and take the answer; even ones take the age and withhold the answer."""
    if number % 2:
        return GOOD.format(number=number, maximum=50, action="clamp", score=1)
    return GOOD.format(number=number, maximum=100, action="reject", score=0.5)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Model]:
    with Model(tmp_path_factory.mktemp("model")) as running:
        yield running


def replace(path: Path, text: str) -> None:
    """As an editor or a deployment does: beside it, then renamed."""
    beside = path.with_name(f".{path.name}.new")
    beside.write_text(text)
    beside.rename(path)


def ask(sidecar: Sidecar) -> httpx.Response:
    return httpx.post(sidecar.url + INFER, content=row(75, width=2), headers=JSON, timeout=60)


def version(sidecar: Sidecar) -> int:
    found = re.match(r"credit@1\.0\.(\d+);", ask(sidecar).headers["x-policy"])
    assert found
    return int(found[1])


def loaded(sidecar: Sidecar, number: int) -> bool:
    """Whether it is served by, and said so in the log, which is after every worker has it."""
    stamp = ask(sidecar).headers["x-policy"]
    digest = stamp.partition("digest=")[2]
    said = [event["policies"]["credit"] for event in sidecar.events("policy.loaded")]
    return stamp.startswith(f"credit@1.0.{number};") and any(each.startswith(digest) for each in said)


def mended(old: str, new: str) -> str:
    text = written(3)
    assert old in text
    return text.replace(old, new)


def line_of(text: str, words: str) -> int:
    return next(number for number, line in enumerate(text.splitlines(), 1) if words in line)


BAD = {
    "invalid YAML": (mended("[age, income]", "[age, income"), None),
    "unknown key": (mended("  mode: enforce", "  moed: enforce"), "moed"),
    "duplicate key": (mended("  mode: enforce", "  mode: enforce\n  mode: observe"), "mode: observe"),
    "pattern that is none": (mended("type: float, min: 0}\n  pred", 'type: string, pattern: "("}\n  pred'), "income:"),
    "pattern that could stall": (
        mended("type: float, min: 0}\n  pred", 'type: string, pattern: "(?=a)b"}\n  pred'),
        "income:",
    ),
    "wrong type": (mended("max: 50", "max: old"), "max: old"),
    "tab": (mended("  mode: enforce", "\tmode: enforce"), "\tmode"),
    "half written": (written(3)[: written(3).index("on_violation") + 16], None),
    "a list": ("- policy: credit\n", "policy"),
    "empty": ("", None),
    "binary": ("\x00\x01", None),
}


def refused(sidecar: Sidecar, place: str, before: int) -> list[str]:
    """The refusals after so many that name a place."""
    reasons = [event["reason"] for event in sidecar.events("policy.refused")[before:]]
    return [reason for reason in reasons if re.search(place, reason)]


def write_slowly(path: Path, text: str, look: Callable[[], int]) -> tuple[set[int], float]:
    """Line by line, over more than a poll of the watch: what was seen meanwhile, and the longest pause. The first half
    is a valid policy, and a weaker one."""
    seen: set[int] = set()
    longest = 0.0
    lines = text.splitlines(keepends=True)
    ends = time.monotonic() + 1.2
    with path.open("w") as file:
        for number, line in enumerate(lines):
            file.write(line)
            file.flush()
            wrote = time.monotonic()
            pause = (ends - wrote) / (len(lines) - number)
            while time.monotonic() < wrote + pause and number < len(lines) - 1:
                seen.add(look())
            longest = max(longest, time.monotonic() - wrote)
    return seen, longest


class TestBad:
    def test_bad_policies_never_replace_a_good_one(self, tmp_path: Path, model: Model) -> None:
        path = tmp_path / "policy.yaml"
        path.write_text(written(1))
        with Sidecar(tmp_path, "--upstream", model.url, "--policy", str(path)) as sidecar:
            sidecar.until_ready()
            stamp = ask(sidecar).headers["x-policy"]
            for what, (text, words) in BAD.items():
                before = len(sidecar.events("policy.refused"))
                replace(path, text)
                sidecar.tell(signal.SIGHUP)
                place = re.escape(f"{path}:") + (f"{line_of(text, words)}:" if words else r"\d+:")
                # the one before may be refused once more: where a poll came between its writing and the signal
                eventually(lambda before=before, place=place: refused(sidecar, place, before))  # type: ignore[misc]
                answer = ask(sidecar)
                assert (answer.status_code, answer.headers["x-policy"]) == (200, stamp), what
                status, body = sidecar.readyz()
                assert (status, [p["version"] for p in body["policies"]]) == (200, ["1.0.1"]), what
                assert any("the last reload was refused" in warning for warning in body["warnings"]), what
            assert sidecar.metric('sidecar_policy_reloads_total{result="refused"}') >= len(BAD)
            assert sidecar.metric('sidecar_policy_reloads_total{result="loaded"}') == 1
            replace(path, written(4))
            eventually(lambda: sidecar.events("policy.loaded"))
            assert version(sidecar) == 4
            assert not sidecar.readyz()[1]["warnings"]
            assert sidecar.metric('sidecar_policy_reloads_total{result="loaded"}') == 2
            assert "Traceback" not in sidecar.said()

    def test_file_that_goes_and_comes_back(self, tmp_path: Path, model: Model) -> None:
        path = tmp_path / "policy.yaml"
        path.write_text(written(1))
        with Sidecar(tmp_path, "--upstream", model.url, "--policy", str(path)) as sidecar:
            sidecar.until_ready()
            path.unlink()
            eventually(lambda: sidecar.events("policy.refused"))
            assert version(sidecar) == 1
            path.write_text(written(3))
            eventually(lambda: version(sidecar) == 3)

    def test_file_that_is_still_being_written_is_not_read(self, tmp_path: Path, model: Model) -> None:
        path = tmp_path / "policy.yaml"
        path.write_text(written(1))
        with Sidecar(tmp_path, "--upstream", model.url, "--policy", str(path)) as sidecar:
            sidecar.until_ready()
            for number in range(3, 203, 2):  # again when this machine itself has paused: that looks like the end
                before = len(sidecar.events("policy.loaded"))
                seen, longest_pause = write_slowly(path, written(number), lambda: version(sidecar))
                eventually(lambda number=number: loaded(sidecar, number))  # type: ignore[misc]
                if longest_pause < STILL_SECONDS:
                    break
            assert longest_pause < STILL_SECONDS, "this machine is too busy to say"
            assert seen == {number - 2 if number > 3 else 1}
            assert len(sidecar.events("policy.loaded")) == before + 1
            assert not sidecar.events("policy.refused")

    def test_configmap_swap(self, tmp_path: Path, model: Model) -> None:
        mount = tmp_path / "policies"
        texts = {"1": written(1), "2": "policy: credit\nmodl: {}\n", "3": written(4)}
        for name, text in texts.items():
            (mount / f"..{name}").mkdir(parents=True)
            (mount / f"..{name}" / "credit.yaml").write_text(text)
        (mount / "..data").symlink_to("..1")
        (mount / "credit.yaml").symlink_to("..data/credit.yaml")

        def swap(name: str) -> None:
            (mount / "..data_tmp").symlink_to(f"..{name}")
            (mount / "..data_tmp").rename(mount / "..data")

        with Sidecar(tmp_path, "--upstream", model.url, "--policy", str(mount)) as sidecar:
            sidecar.until_ready()
            assert version(sidecar) == 1
            swap("2")
            refused = eventually(lambda: sidecar.events("policy.refused"))
            assert f"{mount / 'credit.yaml'}:2:" in refused[0]["reason"]
            assert version(sidecar) == 1
            swap("3")
            eventually(lambda: version(sidecar) == 4)


class Watched:
    """What a process holds: descriptors, and memory in MiB."""

    def __init__(self, pid: int) -> None:
        self.descriptors = len(list(Path(f"/proc/{pid}/fd").iterdir()))
        resident = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
        assert resident
        self.mebibytes = int(resident[1]) / 1024


def ask_75(number: int, request_id: str) -> tuple[str, bytes]:
    """A call long enough to see a swap."""
    return "75", request(f"{INFER}?wait=0.01", row(75, width=2), b"x-request-id: " + request_id.encode())


def one_policy(number: int, kind: str, answer: Answer) -> str:
    """ "" when input and output were judged by the policy that the answer names."""
    found = re.match(r"credit@1\.0\.(\d+);digest=b2:", answer.value("x-policy"))
    if not found:
        return f"x-policy: {answer.value('x-policy')}"
    expected = (200, "repaired;rows=1") if int(found[1]) % 2 else (502, "rejected")
    seen = (answer.status, answer.value("x-contract-verdict"))
    return "" if seen == expected else f"{found[0]} and {seen}"


@pytest.mark.timeout(300 + 5 * RELOADS)
def test_reloads_under_load_mix_nothing_and_leak_nothing(tmp_path: Path, model: Model) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(written(1))
    warm = min(30, RELOADS // 3)
    with Sidecar(tmp_path, "--upstream", model.url, "--policy", str(path)) as sidecar:
        sidecar.until_ready()
        (worker,) = sidecar.workers()
        began = time.monotonic()
        with Load(sidecar.port, "reload", connections=4, ask=ask_75, judge=one_policy) as load:
            for number in range(2, RELOADS + 2):
                replace(path, written(number))
                sidecar.tell(signal.SIGHUP)
                loaded = f"credit@1.0.{number};"
                eventually(lambda loaded=loaded: any(a.policy.startswith(loaded) for a in newest(load)))  # type: ignore[misc]
                if number == warm:
                    before = [Watched(pid) for pid in (sidecar.process.pid, worker)]
            pids = (sidecar.process.pid, worker)
            for pid, then in zip(pids, before, strict=True):  # a call more under way; the last loader may still end
                eventually(lambda pid=pid, then=then: Watched(pid).descriptors <= then.descriptors + 4)  # type: ignore[misc]
            after = [Watched(pid) for pid in pids]
        seconds = time.monotonic() - began
        assert not load.wrong, load.wrong[:5]
        assert not load.lost
        eventually(lambda: sidecar.metric('sidecar_policy_reloads_total{result="loaded"}') == RELOADS + 1)
        assert sidecar.metric('sidecar_policy_reloads_total{result="refused"}') == 0
        grown = [now.mebibytes - then.mebibytes for then, now in zip(before, after, strict=True)]
        print(  # noqa: T201
            f"{RELOADS} reloads in {seconds:.0f} s, {len(load.answered)} answers, none of two policies; "
            f"supervisor {grown[0]:+.1f} MiB, worker {grown[1]:+.1f} MiB"
        )
        assert max(grown) < 12
        assert len(list((sidecar.data / "policies").glob("*.json"))) <= 40
        assert sidecar.stop() == 0
    books = Books(sidecar.journal).read()
    assert not books.audit(load.answered, load.attempted)
    for name, answer in load.answered.items():
        (exchange,) = books.exchanges[name]
        published = books.policies[exchange.policy_digest]
        assert answer.policy.startswith(f"credit@{published.version};digest=")
        assert exchange.policy_digest.startswith(answer.policy.partition("digest=")[2])
    versions = {json.dumps(policy.version) for policy in books.policies.values()}
    assert len(versions) == RELOADS + 1


def newest(load: Load) -> list[Answered]:
    return list(load.answered.values())[-8:]


class TestUsed:
    def test_a_definition_that_a_policy_uses_is_watched_where_it_lies(self, tmp_path: Path, model: Model) -> None:
        folder = tmp_path / "policies"
        folder.mkdir()
        shared = tmp_path / "shared.yaml"
        shared.write_text("features: {age: {type: int, min: 0, max: 100}}\n")
        used = "age: {use: '../shared.yaml#/features/age'}"
        stated = "age: {type: int, min: 0, max: 50, on_violation: clamp}"
        (folder / "policy.yaml").write_text(mended(stated, used))
        with Sidecar(tmp_path, "--upstream", model.url, "--policy", str(folder)) as sidecar:
            sidecar.until_ready()
            assert ask(sidecar).status_code == 200
            replace(shared, "features: {age: {type: int, min: 0, max: 50}}\n")
            eventually(lambda: ask(sidecar).status_code == 422)
            replace(shared, "features: {age: {type: int, mim: 0}}\n")
            (refused,) = eventually(lambda: sidecar.events("policy.refused"))
            assert f"{shared}:1:29" in refused["reason"]
            assert ask(sidecar).status_code == 422
            replace(shared, "features: {age: {type: int, min: 0, max: 90}}\n")
            eventually(lambda: ask(sidecar).status_code == 200)
