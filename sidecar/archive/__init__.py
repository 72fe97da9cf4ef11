"""Prediction rows as Parquet in a folder: written exactly once, read by anything that reads Parquet.

In: rows by data set (`predictions/ shadows/ outcomes/ control/`) and how far of the journal they come from. Out: files
in hive partitions, and a manifest per commit that names them. Never: a row twice or half a commit, whatever is killed
when; a file that no manifest names is not there.
"""

from __future__ import annotations

from .layout import Partition, archiver_of, folder_of, is_archive
from .manifest import Intent, Manifest, Span, Written, read_manifests

__all__ = [
    "Intent",
    "Manifest",
    "Partition",
    "Span",
    "Written",
    "archiver_of",
    "folder_of",
    "is_archive",
    "read_manifests",
]
