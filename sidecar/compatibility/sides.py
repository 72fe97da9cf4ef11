"""One side of a comparison: a policy, what its contract compiles to, where its features stand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..contract import compile_contract
from ..contract.cell import Cell
from ..contract.sections import ContractSection, Mode, ModeByCaller, Owner, PolicyContract
from ..errors import PolicyError
from ..policy import Policy
from .change import Change, Verdicts


@dataclass(frozen=True, slots=True)
class Side:
    """One policy, with what its contract compiles to."""

    policy: Policy
    contract: PolicyContract
    cells: Mapping[str, Cell]
    answers: Mapping[str, Cell]
    places: Mapping[str, str]  # feature → where it is in a body, told without its name where the name is ours alone

    @property
    def enforces(self) -> bool:
        """Whether any caller's verdicts are applied."""
        return Mode.ENFORCE in modes_of(self.contract).values()


def side_of(policy: Policy) -> Side:
    """PolicyError for a contract that does not compile: it would not have been loaded."""
    compiled, findings = compile_contract(policy.contract)
    if compiled is None:
        raise PolicyError("; ".join(finding.message for finding in findings if finding.severity == "error"))
    return Side(
        policy,
        policy.contract,
        {cell.name: cell for cell in compiled.cells},
        {cell.name: cell for cell in compiled.answers},
        _places(policy),
    )


def _places(policy: Policy) -> dict[str, str]:
    columns = getattr(policy.model.wire, "columns", ())
    tensors: Mapping[str, tuple[str, ...]] = columns if isinstance(columns, Mapping) else {"row": tuple(columns)}
    places = {name: f"{tensor}[{at}]" for tensor, names in tensors.items() for at, name in enumerate(names)}
    places.update({name: feature.from_ for name, feature in policy.contract.features.items() if feature.from_})
    return places


def owner_of(policy: Policy, own: Owner | None = None) -> str:
    """Who must look: the nearest owner that is stated."""
    for owner in (own, policy.owner):
        if owner is not None and (owner.team or owner.contact):
            return owner.team or owner.contact
    return ""


def renames(old: ContractSection, new: ContractSection) -> dict[str, str]:
    """New name → old name, where the new contract says so and the old one has it."""
    return {
        name: feature.renamed_from
        for name, feature in new.features.items()
        if feature.renamed_from in old.features
        and feature.renamed_from not in new.features
        and name not in old.features
    }


def modes_of(contract: ContractSection) -> dict[str, Mode]:
    """Caller → mode; "" is every caller that is not listed."""
    modes = contract.mode if isinstance(contract.mode, ModeByCaller) else ModeByCaller(contract.mode)
    return {"": modes.default, **modes.callers}


def whole(
    path: str, old: str, new: str, verdicts: Verdicts, why: str, side: Side, owner: Owner | None, feature: str = ""
) -> Change:
    """A change of one side's policy; `owner` is the nearest owner that is stated."""
    return Change(
        path=path,
        old=old,
        new=new,
        verdicts=verdicts,
        why=why,
        owner=owner_of(side.policy, owner),
        feature=feature,
    )
