"""Prometheus text (exposition format 0.0.4) → sums by metric name: enough to read a counter of a system under test."""

from __future__ import annotations

import re
import urllib.error
import urllib.request
from typing import Final

from .failure import BenchError

TIMEOUT_SECONDS: Final = 5.0


def sums(text: str) -> dict[str, float]:
    """Every metric's samples added up over its labels. A line that is none is left out: this is no validator."""
    found: dict[str, float] = {}
    for line in text.splitlines():
        name, _, rest = line.partition("{") if "{" in line else line.partition(" ")
        value = rest.rpartition("}")[2].split()
        if line.startswith("#") or not value:
            continue
        try:
            found[name] = found.get(name, 0.0) + float(value[0])
        except ValueError:
            continue
    return found


def by_label(text: str, name: str) -> dict[str, float]:
    """The samples of one metric that has one label, by that label's value; {} where there is none."""
    samples = re.findall(rf'^{re.escape(name)}\{{\w+="([^"]*)"\}} (\S+)', text, re.MULTILINE)
    return {value: float(number) for value, number in samples}


def scrape(port: int) -> dict[str, float]:
    """`sums` of `/metrics`. BenchError when it cannot be had."""
    return sums(page(port))


def page(port: int) -> str:
    """`/metrics` as it is. BenchError when it cannot be had."""
    url = f"http://127.0.0.1:{port}/metrics"
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS) as answer:
            text: str = answer.read().decode()
            return text
    except (OSError, urllib.error.HTTPError) as error:
        raise BenchError(f"{url} cannot be read: {error}") from error
