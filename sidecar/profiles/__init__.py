"""What a feature has been like over time: exact counts by window, added up row by row, merged by addition. Pure.

In: one row's facts at a time, with the time it happened. Out: counts, and alerts as values. Never: a clock, a value
kept longer than it is the latest one, a sum that depends on who counted which row.

    profile = Profile(window_seconds=3600)
    profile.add("income", 52000, at_seconds=now)
    profile.merge(other)                          replicas that count alike
    alerts(profile, {"income": Limits(null_rate=0.02)}, min_rows=500)
"""

from __future__ import annotations

from .alerts import Alert, Limits, Watching, alerts, standing, watched_kinds
from .windows import Counts, Profile, Run

__all__ = ["Alert", "Counts", "Limits", "Profile", "Run", "Watching", "alerts", "standing", "watched_kinds"]
