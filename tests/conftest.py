"""What holds for every test: how fast the machine is decides nothing."""

from __future__ import annotations

import signal

from hypothesis import HealthCheck, settings

# A shell starts what is in the background deaf to Ctrl-C, and children inherit it; some tests send it to theirs.
signal.signal(signal.SIGINT, signal.default_int_handler)

# On top of the profile in force, so that a pipeline keeps its own (the same examples each time).
settings.register_profile(
    "any-machine",
    parent=settings(),
    deadline=None,
    suppress_health_check=list({*settings().suppress_health_check, HealthCheck.too_slow}),
)
settings.load_profile("any-machine")
