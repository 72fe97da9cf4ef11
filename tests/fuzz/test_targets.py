"""Every fuzz target holds for its seeds and for a second of random mutations; `python -m tests.fuzz` goes on."""

from __future__ import annotations

from itertools import islice
from random import Random

import pytest

from tests.fuzz.__main__ import main
from tests.fuzz.mutate import LONGEST, mutations
from tests.fuzz.targets import TARGETS, Target

INPUTS = 1200


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_nothing_undeclared_is_raised(name: str) -> None:
    target = TARGETS[name]
    inputs = 100 if name == "policy" else INPUTS
    for data in islice(mutations(target.seeds, target.words, Random(name)), inputs):
        target.run(data)


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_the_seeds_are_not_refused_at_the_door(name: str) -> None:
    assert all(TARGETS[name].seeds) and TARGETS[name].words


def test_mutations_are_bounded_and_the_same_for_one_seed() -> None:
    first, second = (list(islice(mutations([b"ab", b"c" * 5000], [b"x"], Random(1)), 500)) for _ in range(2))
    assert first == second
    assert max(map(len, first[3:])) <= LONGEST
    assert len(set(first)) > 300


def test_a_planted_fault_is_found_and_kept(tmp_path, capsys) -> None:  # type: ignore[no-untyped-def]
    def run(data: bytes) -> None:
        if b"]}" in data and b"x" in data:
            raise KeyError("planted")

    TARGETS["planted"] = Target(run, [b'{"a":[]}'], [b"x"])
    try:
        with pytest.raises(KeyError):
            main(["planted", "--seconds", "20", "--findings", str(tmp_path), "--random", "--seed", "1"])
    finally:
        del TARGETS["planted"]
    assert b"x" in (tmp_path / "finding-planted").read_bytes()
    assert "planted: input" in capsys.readouterr().out


def test_a_run_that_finds_nothing_says_how_much_it_tried(capsys) -> None:  # type: ignore[no-untyped-def]
    assert main(["coding", "--seconds", "0.2", "--random"]) == 0
    assert "nothing found" in capsys.readouterr().out
