"""The limits of a feature are its own where it has them, else those of `watch:`."""

from __future__ import annotations

from sidecar.policy.watching import watching_of
from sidecar.profiles import Limits
from tests.policytest.desk import policy


def test_limits_of_features_and_of_all() -> None:
    subject = policy(
        """
        features:
          a: {type: int}
          b: {type: int, watch: {null_rate: 40%}, repair_alert_above: 1%}
        """,
        more="watch: {window: 30m, min_rows: 50, null_rate: 2%, frozen_after: 3h}",
    )
    watching = watching_of(subject)
    assert (watching.window_seconds, watching.min_rows) == (1800.0, 50)
    assert watching.limits == {
        "a": Limits(null_rate=0.02, frozen_after=10800.0),
        "b": Limits(null_rate=0.4, frozen_after=10800.0, repair_alert_above=0.01),
    }


def test_nothing_is_watched_without_a_limit() -> None:
    watching = watching_of(policy("features: {a: {type: int}}"))
    assert (watching.window_seconds, watching.min_rows, watching.limits) == (3600.0, 500, {})
