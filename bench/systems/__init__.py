"""What can stand between a caller and a model, one file each.

In: a `Place` (ports, a folder). Out: a `Launch` (the command to run), or None where nothing stands there.
A member must forward `POST payload.PATH` to the upstream; one that says `guarded` must refuse a row out of range.
"""

from __future__ import annotations

from .base import Launch, Place, System

__all__ = ["Launch", "Place", "System"]
