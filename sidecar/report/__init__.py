"""Reports: recorded predictions → findings → terminal, JSON, one HTML file.

In: prediction rows, in any order, and who answers for what. Out: findings as frozen values, and their renderings.
Never: I/O, a clock, a feature's value (reports name features, codes, callers and ids). Rows weigh what `weight` says.
"""

from __future__ import annotations

from .contract import ContractReport, Group, gather

__all__ = ["ContractReport", "Group", "gather"]
