"""No text makes `load` raise, and a broken text never gives a policy."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.policy import Loaded, from_canonical, load, to_canonical

POLICIES = Path(__file__).parents[2] / "policies"
EXAMPLES = [path.read_bytes() for path in sorted(POLICIES.rglob("*.yaml"))]
PIECES = [
    b"",
    b"\t",
    b"\n",
    b"  ",
    b": ",
    b"- ",
    b"[",
    b"]",
    b"{",
    b"}",
    b"#",
    b"&a ",
    b"*a",
    b"!!int ",
    b"<<: ",
    b"'",
    b'"',
]
PIECES += [
    b"| \n",
    b"null",
    b"no",
    b"0123",
    b"1e999",
    b"-",
    b"---\n",
    b"...\n",
    b"%YAML 1.1\n",
    b"\x00",
    b"\xff",
    "é".encode(),
]


def loads(data: bytes) -> Loaded:
    return load([Path("-")], stdin=lambda: data)


def sound(loaded: Loaded) -> None:
    """Every finding says what and where; policies and errors exclude each other."""
    for finding in loaded.findings:
        assert finding.code
        assert finding.message
        assert finding.message.isprintable(), finding
        assert finding.hint.isprintable() or not finding.hint
        assert finding.file
        assert finding.line or finding.code.startswith("file.")
    assert not (loaded.errors and loaded.policies)
    for policy in loaded.policies:
        assert from_canonical(to_canonical(policy)) == policy


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_any_text_is_a_policy_or_findings(data: bytes) -> None:
    sound(loads(data))


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_an_example_with_pieces_put_in_or_taken_out(data: st.DataObject) -> None:
    text = data.draw(st.sampled_from(EXAMPLES))
    for _ in range(data.draw(st.integers(1, 3))):
        begin = data.draw(st.integers(0, len(text)))
        end = begin + data.draw(st.integers(0, 12))
        text = text[:begin] + data.draw(st.sampled_from(PIECES)) + text[end:]
    sound(loads(text))


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_a_half_written_example(data: st.DataObject) -> None:
    text = data.draw(st.sampled_from(EXAMPLES))
    sound(loads(text[: data.draw(st.integers(0, len(text)))]))


VALUES = [
    "[]",
    "{}",
    "null",
    "",
    "no",
    "5",
    "-1",
    "1e5",
    "'x'",
    "[[a]]",
    "{a: {b: c}}",
    "5%",
    "30s",
    "off",
    "a b",
    "&x 1",
]


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_an_example_with_a_value_of_another_kind(data: st.DataObject) -> None:
    lines = data.draw(st.sampled_from(EXAMPLES)).decode().split("\n")
    number = data.draw(st.integers(0, len(lines) - 1))
    key, colon, _ = lines[number].partition(": ")
    if colon:
        lines[number] = f"{key}: {data.draw(st.sampled_from(VALUES))}"
    sound(loads("\n".join(lines).encode()))
