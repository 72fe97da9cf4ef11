"""Every name of an event: what happens to a span, and what a process logs. `noun.past_verb`, declared here alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

# Events of spans.
CONTRACT_VIOLATION: Final = "sidecar.contract.violation"
SPAN_EVENTS: Final[Mapping[str, str]] = {
    CONTRACT_VIOLATION: "one broken check of the contract: code, feature, row, side and what the policy asks for",
}

# Events of the log: every `event` of a line on stderr.
ACCESS: Final = "request.answered"
LOG_EVENTS: Final[Mapping[str, str]] = {
    ACCESS: "one request, with `--access-log`: who asked what, what was answered, how long it took",
    "access.state_damaged": "how far the lines are could not be read: set aside, they begin anew with the last minute",
    "admin.failed": "the admin port could not answer",
    "alert.cleared": "what a policy watches is within its limit again, or is watched no more",
    "alert.raised": "what a policy watches is beyond its limit: where, by how much, who answers for it",
    "alerts.failed": "a record could not be looked at for what the policy watches",
    "alerts.state_damaged": "the windows kept on disk could not be read: set aside, counting starts anew",
    "archive.pruned": "the archive was over its cap: its oldest files are gone",
    "candidate.failed": "a candidate contract could not be judged on a record: its rows are not counted beside",
    "drain.finished": "no request is in flight any more",
    "drain.started": "told to stop: unready, and finishing what is in flight",
    "guard.failed": "a check failed itself; the request was passed or refused as the policy says",
    "journal.dropping": "records begin to be lost: the disk takes them no more, and requests go on as `when_full` says",
    "journal.recovered": "records are kept again, for ten seconds now; a warning where some were `dropped`",
    "journal.retention_failed": "old segments could not be removed",
    "metrics.state_damaged": "the counts kept on disk could not be read: set aside, counting starts anew",
    "observer.failed": "an observer stopped and is started again from its last commit; `failures` since it was well",
    "observer.recovered": "an observer that had failed has kept what it read; a warning where it `lost` records",
    "observer.released": "an observer is no longer configured: its cursor holds nothing back",
    "observers.configured": "which observers run, and why others do not; the most that the archive takes",
    "observers.died": "the observers' process ended and is started again",
    "observers.hung": "an observer blocked all of them: their process ends itself",
    "observers.killed": "the observers did not finish in time",
    "observers.left": "the observers have read what they could and are gone",
    "observers.no_key": "no key can be read: nothing is hashed or sampled",
    "observers.not_configured": "the observers cannot begin; they try again",
    "observers.not_started": "the observers' process could not be started",
    "observers.progress_not_written": "how far the observers are could not be kept",
    "observers.setup_not_written": "what the gateway runs with could not be published to its observers",
    "observers.setup_unusable": "the published sidecar.yaml cannot be read; the one before stays",
    "observers.stopped": "the observers have committed; their lag",
    "observers.waiting": "no gateway has served from this folder yet",
    "platform.restart_needed": "a change that only a restart brings",
    "policy.loaded": "policies are in force",
    "policy.refused": "a policy cannot be used; the ones before stay in force",
    "policy.unusable": "a published policy cannot be read or compiled",
    "shadow.failed": "one copy could not be compared",
    "shadow.state_damaged": "what was counted of candidates could not be read: set aside, made anew from the journal",
    "shadow.unusable": "a candidate cannot be asked as its policy says",
    "supervisor.failed": "a task of the supervisor ended with an error",
    "traces.refused": "the collector refused spans: they are dropped and counted",
    "traces.state_damaged": "how far the spans are could not be read: set aside, what the journal holds is sent anew",
    "traces.unreadable": "a record whose ids are none has no spans",
    "worker.died": "a serving process ended and is started again",
    "worker.failed": "a serving process says why it cannot go on",
    "worker.hung": "a serving process does not answer and is ended",
}

# That something is well again, and the field that says what was lost until then.
RECOVERIES: Final[Mapping[str, str]] = {
    "alert.cleared": "",
    "journal.recovered": "dropped",
    "observer.recovered": "lost",
}


def is_good_news(event: str, fields: Mapping[str, Any]) -> bool:
    """Whether nobody needs to be warned."""
    return event in RECOVERIES and not fields.get(RECOVERIES[event])
