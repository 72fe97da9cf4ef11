"""The one policy that a command is about: a file, or FILE#NAME where a file has several."""

from __future__ import annotations

import sys
from pathlib import Path

from ..errors import PolicyError
from ..guard import Guard
from ..policy import Policy, load
from ..policy.files import PLATFORM_NAMES
from ..runtime.compile import compile_guard
from ..yamldoc import Finding


def one_policy(
    file: Path, name: str = "", *, config: Path | None = None, environment: str = ""
) -> tuple[Policy | None, tuple[Finding, ...]]:
    """The policy of a file (by name where it has several), or the findings that say why there is none."""
    loaded = load([file], config=config, environment=environment)
    if loaded.errors:
        return None, tuple(finding for finding in loaded.findings if finding.severity == "error")
    policies = [policy for policy in loaded.policies if not name or policy.name == name]
    if len(policies) == 1:
        return policies[0], ()
    if file.name in PLATFORM_NAMES and not loaded.policies:
        message, hint = f"{file} is a platform file, not a policy", f"pass it with --config {file}, and name the policy"
        return None, (Finding("policy.kind", message, hint),)
    names = ", ".join(policy.name for policy in loaded.policies) or "no policy"
    if name or not loaded.policies:
        return None, (Finding("policy.none", f"{file} has no policy{f' `{name}`' if name else ''}", f"it has {names}"),)
    message = f"{file} has {len(policies)} policies"
    return None, (Finding("policy.several", message, f"name one: {file.name}#NAME, of {names}"),)


def policy_and_guard(where: str, *, config: Path | None = None, environment: str = "") -> tuple[Policy, Guard]:
    """The policy of FILE or FILE#NAME, compiled. PolicyError after every finding was told on stderr."""
    path, _, name = where.partition("#") if not Path(where).exists() else (where, "", "")
    policy, findings = one_policy(Path(path), name, config=config, environment=environment)
    if policy is None:
        for finding in findings:
            print(f"{finding.place or path}: error[{finding.code}]: {finding.message}", file=sys.stderr)
            if finding.hint:
                print(f"    hint: {finding.hint}", file=sys.stderr)
        raise PolicyError(f"{where} cannot be used; `sidecar check {path}` says why")
    try:
        return policy, compile_guard(policy)
    except ValueError as error:
        raise PolicyError(f"{where}: {error}") from None
