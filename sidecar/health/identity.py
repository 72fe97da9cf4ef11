"""Keeps asking the model servers who they are: often until they are ready, then now and then."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Final

from ..errors import RuntimeSetupError
from ..runtime.messages import PolicyFacts
from ..runtime.waiting import within
from ..upstream.address import parse_address
from .probe import ModelAnswer, Probe, Prober

SOON_SECONDS: Final = 0.25  # until ready: the model is served within 2 s of being there
STEADY_SECONDS: Final = 5.0  # a model that is gone makes this unready within so long


class Identities:
    """The last probe of each upstream, and who asks."""

    def __init__(self, *, soon_seconds: float = SOON_SECONDS, steady_seconds: float = STEADY_SECONDS) -> None:
        self.probes: dict[str, Probe] = {}
        self._soon = soon_seconds
        self._steady = steady_seconds
        self._groups: dict[str, list[PolicyFacts]] = {}
        self._probers: dict[str, Prober] = {}
        self._default = ""
        self._news = asyncio.Event()

    def watch(self, policies: Sequence[PolicyFacts], default: str) -> None:
        """Ask about these from now on, at once."""
        self._default = default
        self._groups = {default: []} if default else {}
        for policy in policies:
            self._groups.setdefault(policy.upstream or default, []).append(policy)
        self.probes = {url: probe for url, probe in self.probes.items() if url in self._groups}
        self._news.set()

    def answer(self, policy: PolicyFacts) -> ModelAnswer:
        """What is known of a policy's model."""
        probe = self.probes.get(policy.upstream or self._default)
        return probe.models.get(policy.name, ModelAnswer()) if probe is not None else ModelAnswer()

    async def ask_forever(self, told: Callable[[], None]) -> None:
        """`told` is called after every look."""
        while True:
            self._news.clear()
            await self.ask()
            told()
            await within(self._news.wait(), self._steady if self._all_well() else self._soon)

    async def ask(self) -> None:
        """One look at every upstream, at the same time."""
        groups = dict(self._groups)
        looks = await asyncio.gather(*(self._look(url, policies) for url, policies in groups.items()))
        for url, probe in zip(groups, looks, strict=True):
            if self._groups.get(url) == groups[url]:  # still the question
                self.probes[url] = probe

    async def close(self) -> None:
        """Hang up."""
        for prober in self._probers.values():
            with contextlib.suppress(OSError):
                await prober.close()
        self._probers.clear()

    async def _look(self, url: str, policies: Sequence[PolicyFacts]) -> Probe:
        try:
            prober = self._probers.get(url) or self._probers.setdefault(url, Prober(parse_address(url)))
        except RuntimeSetupError as error:
            return Probe(False, str(error))
        return await prober.look(policies)

    def _all_well(self) -> bool:
        probes = [self.probes.get(url) for url in self._groups]
        return all(
            probe is not None and probe.ready and all(model.ready for model in probe.models.values())
            for probe in probes
        )
