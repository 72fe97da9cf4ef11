"""The page: one self-contained document, allowed to run its own script and to ask this port, and nothing else."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path
from typing import Final


def _hashes(tag: str, text: str) -> str:
    found = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
    digests = (base64.b64encode(hashlib.sha256(part.encode()).digest()).decode() for part in found)
    return " ".join(f"'sha256-{digest}'" for digest in digests)


_TEXT: Final = (Path(__file__).parent / "page.html").read_text(encoding="utf-8")
PAGE: Final = _TEXT.encode()
CONTENT_SECURITY_POLICY: Final = (
    f"default-src 'none'; script-src {_hashes('script', _TEXT)}; style-src {_hashes('style', _TEXT)}; "
    "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
