"""Compiles the hot half with mypyc where a C compiler is at hand; the same sources run without it, at half the speed.

SIDECAR_COMPILE=0 leaves it out, SIDECAR_COMPILE=1 fails where it cannot be done.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
import sysconfig

from setuptools import setup
from setuptools.extension import Extension

HOT = [
    "sidecar/edits.py",
    "sidecar/gateway/body.py",
    "sidecar/gateway/call.py",
    "sidecar/gateway/connection.py",
    "sidecar/gateway/counts.py",
    "sidecar/gateway/forward.py",
    "sidecar/gateway/gateway.py",
    "sidecar/gateway/head.py",
    "sidecar/gateway/held.py",
    "sidecar/gateway/ids.py",
    "sidecar/gateway/internal.py",
    "sidecar/gateway/judged.py",
    "sidecar/gateway/named.py",
    "sidecar/gateway/record.py",
    "sidecar/gateway/routing.py",
    "sidecar/gateway/standing.py",
    "sidecar/gateway/trace.py",
    "sidecar/gateway/turns.py",
    "sidecar/guard.py",
    "sidecar/journal/frame.py",
    "sidecar/telemetry/metrics.py",
    "sidecar/upstream/answer.py",
    "sidecar/upstream/leg.py",
    "sidecar/upstream/pool.py",
    "sidecar/wire/oip_accept.py",
    "sidecar/wire/row_accept.py",
    "sidecar/wire/row_proof.py",
    "sidecar/wire/row_sieve.py",
]


def compiled() -> list[Extension]:
    """The extension modules, or none: then the sources serve."""
    wanted = os.environ.get("SIDECAR_COMPILE", "auto")
    compiler = (os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc").split()[0]
    able = shutil.which(compiler) is not None and importlib.util.find_spec("mypyc") is not None
    if wanted == "0" or (wanted == "auto" and not able):
        print("sidecar: pure Python build", file=sys.stderr)
        return []
    from mypyc.build import mypycify

    return mypycify(["--ignore-missing-imports", *HOT], opt_level="3")


setup(ext_modules=compiled())
