"""What is known of the models behind the policies and of the environment, and whom it stops.

The supervisor's news come from the model server's metadata; an answer that states another version than the pinned one
is news as well, and faster.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from ..guard import Guard
from ..problem import Problem

_RETRY_AFTER_SECONDS: Final = 5


class ModelState(NamedTuple):
    """What the supervisor knows of the model behind a policy."""

    identity: str = "unstated"  # match | mismatch | unstated
    model_version: str = ""
    ready: bool = True


class Standing:
    """One gateway's. `gated`: some call may have to be refused, so each is looked at."""

    def __init__(self) -> None:
        self.gated = False
        self.not_ready = ""  # why a request sent now would not be served; "" = it would
        self._models: dict[str, ModelState] = {}
        self._wrong_environment = ""

    def set_models(self, models: Mapping[str, ModelState]) -> None:
        """By policy name."""
        self._models = dict(models)
        self._regate()

    def set_environment(self, wrong: str) -> None:
        """ "" = this is the environment the policies are for; otherwise the sentence that says why not."""
        self._wrong_environment = wrong
        self._regate()

    def _regate(self) -> None:
        mismatched = any(state.identity == "mismatch" for state in self._models.values())
        self.gated = bool(self._wrong_environment) or mismatched

    def gate(self, guard: Guard) -> Problem | None:
        """Why this policy's model must not be asked: the wrong environment, or another model than the pinned one."""
        if self._wrong_environment:
            return Problem(
                503, "wrong-environment", "Wrong environment", self._wrong_environment,
                retry_after_seconds=_RETRY_AFTER_SECONDS,
            )  # fmt: skip
        state = self._models.get(guard.identity.name)
        if state is not None and state.identity == "mismatch" and guard.identity.stop_on_mismatch:
            return _mismatch(guard)
        return None

    def wrong_version(self, guard: Guard, version: str) -> Problem | None:
        """An answer states a version that the policy does not pin: from now the model is another one."""
        self._models[guard.identity.name] = ModelState("mismatch", version)
        self._regate()
        return _mismatch(guard) if guard.identity.stop_on_mismatch else None

    def identity_word(self, guard: Guard, stated_version: str) -> str:
        """match | mismatch | unstated: the answer's own version speaks where the server's metadata say nothing."""
        state = self._models.get(guard.identity.name)
        word = state.identity if state is not None else "unstated"
        if word == "unstated" and stated_version and stated_version in guard.identity.model_versions:
            return "match"
        return word


def _mismatch(guard: Guard) -> Problem:
    expected = " or ".join(guard.identity.model_versions) or guard.identity.model_name
    return Problem(
        503, "model-identity-mismatch", "Another model answers", f"the policy is for {expected}",
        retry_after_seconds=_RETRY_AFTER_SECONDS,
    )  # fmt: skip
