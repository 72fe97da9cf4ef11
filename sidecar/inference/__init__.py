"""Inference: data, or a model's own statement of its inputs → a commented policy and the counts of its baseline.

In: rows in chunks (or a signature), names, the day. Out: text, and plain values. Pure: no files, sockets or clock.
Never: a guess without a comment that says what was seen, a contract that refuses a row it was inferred from, a value of
a column that looks personal.

    profile = Profile(); profile.add(rows); …       additive counts in one pass, in bounded memory; profiles merge
    guesses = guess_table(profile, roles)           what each column may hold, and why
    text = policy_text(draft)                       YAML that passes `check`
    baseline_of(profile, …)                         the counts that drift is measured against; they merge by addition
"""

from __future__ import annotations

from .baseline import baseline_of, merged
from .draft import Draft, policy_text
from .guesses import Roles, Table, guess_table
from .profile import Profile
from .spelling import Guess

__all__ = ["Draft", "Guess", "Profile", "Roles", "Table", "baseline_of", "guess_table", "merged", "policy_text"]
