"""Text for JUnit's XML, without the signs that XML 1.0 has no spelling for (section 2.2)."""

from __future__ import annotations

import re
from typing import Final
from xml.sax.saxutils import escape, quoteattr

HEAD: Final = '<?xml version="1.0" encoding="UTF-8"?>'
_NO_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def content(text: str) -> str:
    """Between tags."""
    return escape(_NO_XML.sub("\ufffd", text))


def attribute(text: str) -> str:
    """An attribute's value, in quotes."""
    return quoteattr(_NO_XML.sub("\ufffd", text))
