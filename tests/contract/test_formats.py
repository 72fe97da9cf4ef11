"""What each format takes and what it does not; and that no text makes one slow."""

from __future__ import annotations

import uuid
from datetime import date
from ipaddress import IPv4Address, IPv6Address
from time import perf_counter
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.contract.formats import FORMATS, FormatName
from tests.contract.desk import findings, judge, one_feature, rows

TAKEN = {
    "date": ["2024-02-29", "0001-01-01", "9999-12-31"],
    "email": ["a@b.c", "ada.lovelace+tag@example.co.uk", "o'neil@example.org", "x@localhost"],
    "hostname": ["a", "api.example.org", "xn--bcher-kva.example", "a-b.c", "1.2.3.4"],
    "ipv4": ["0.0.0.0", "255.255.255.255"],
    "ipv6": ["::", "::1", "2001:db8::7", "::ffff:192.0.2.1"],
    "iso-country": ["DE", "US", "ZW"],
    "iso-currency": ["EUR", "JPY", "XAU"],
    "ulid": ["01ARZ3NDEKTSV4RRFFQ69G5FAV", "7ZZZZZZZZZZZZZZZZZZZZZZZZZ", "01arz3ndektsv4rrffq69g5fav"],
    "uri": ["urn:isbn:0451450523", "https://u@h:80/a/b?c=/?#d", "http://[::1]/", "s3://bucket/key%20x", "file:///etc"],
    "uuid": ["00000000-0000-0000-0000-000000000000", "019B7C00-3D2A-7C11-9F00-1A2B3C4D5E6F"],
}
REFUSED = {
    "date": ["2023-02-29", "2024-2-1", "20240201", "2024-02-01T00:00:00Z", "2024-13-01", "٢٠٢٤-02-01", "0000-01-01"],
    "email": ["a", "@b", "a@", "a b@c", "a@b@c", "a@-b", f"{'a' * 65}@b", "a@b\n", '"a b"@c'],
    "hostname": ["", "-a", "a-", "a..b", "a.", "a_b", "é", f"{'a' * 64}", ".".join(["a" * 60] * 5)],
    "ipv4": ["1.2.3", "1.2.3.4.5", "256.1.1.1", "01.2.3.4", "1.2.3.4 ", "::1", "١.2.3.4"],
    "ipv6": ["1.2.3.4", ":::", "fe80::1%eth0", "12345::", "::1\n"],
    "iso-country": ["de", "UK", "XX", "DEU", ""],
    "iso-currency": ["eur", "EU", "BTC", ""],
    "ulid": ["81ARZ3NDEKTSV4RRFFQ69G5FAV", "01ARZ3NDEKTSV4RRFFQ69G5FA", "01ARZ3NDEKTSV4RRFFQ69G5FAU"],
    "uri": ["example.org", "//example.org", "http://a b", "http://x/%zz", "http://[::1", "1a:b", "http://x#a#b", ""],
    "uuid": ["019b7c003d2a7c119f001a2b3c4d5e6f", "{019b7c00-3d2a-7c11-9f00-1a2b3c4d5e6f}", "g" * 36],
}


def test_every_format_has_its_examples_here() -> None:
    assert set(FORMATS) == set(get_args(FormatName)) == set(TAKEN) == set(REFUSED)


@pytest.mark.parametrize("name", FORMATS)
def test_what_a_format_takes(name: str) -> None:
    known = FORMATS[name]
    assert [text for text in (*TAKEN[name], known.example) if not known.holds(text)] == []
    assert [text for text in REFUSED[name] if known.holds(text)] == []


@settings(max_examples=50, deadline=None)
@given(st.uuids(), st.dates(), st.ip_addresses(v=4), st.ip_addresses(v=6), st.emails())
def test_what_others_write_is_taken(
    one: uuid.UUID, day: date, four: IPv4Address, six: IPv6Address, address: str
) -> None:
    assert FORMATS["uuid"].holds(str(one))
    assert FORMATS["date"].holds(day.isoformat())
    assert FORMATS["ipv4"].holds(str(four))
    assert FORMATS["ipv6"].holds(six.compressed)
    assert FORMATS["ipv6"].holds(six.exploded)
    assert FORMATS["email"].holds(address) == (len(address.partition("@")[0]) <= 64)


@settings(max_examples=100, deadline=None)
@given(st.text(st.characters(), max_size=40))
def test_no_text_raises(text: str) -> None:
    for known in FORMATS.values():
        assert known.holds(text) in (True, False)


@pytest.mark.parametrize("name", FORMATS)
def test_a_long_text_is_answered_at_once(name: str) -> None:
    started = perf_counter()
    for text in ("a" * 200_000, "a@" * 100_000, "a." * 100_000, "a:/" * 70_000, "1" * 200_000, "::" * 100_000):
        FORMATS[name].holds(text)
    assert perf_counter() - started < 2


def test_the_code_is_format_and_the_sentence_says_what_is_expected() -> None:
    verdict = judge(one_feature("{format: uuid}"), rows(x=["no"]))
    (violation,) = verdict.violations
    assert (violation.code, violation.message) == ("x.format", "must be a UUID")


def test_a_format_makes_it_a_string_and_fits_nothing_else() -> None:
    assert findings("{features: {x: {format: date}, v: {type: 'string[]', format: date}}}") == []
    (finding,) = findings("{features: {x: {type: int, format: date}}}")
    assert (finding.code, finding.path) == ("check-does-not-fit", ("features", "x", "format"))
