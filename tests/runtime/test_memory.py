"""What a container's limit says about bodies held."""

from __future__ import annotations

from pathlib import Path

import pytest

from sidecar.runtime.memory import MIB, MOST_BODY_BYTES, body_budget, memory_limit

LARGEST = 16 * MIB


def machine(folder: Path, groups: str, *mounts: str) -> Path:
    """A `/proc/self` that says so."""
    folder.mkdir(exist_ok=True)
    (folder / "cgroup").write_text(groups)
    (folder / "mounts").write_text("".join(f"{mount}\n" for mount in mounts))
    return folder


def test_the_limit_of_version_2_is_read_where_the_group_is(tmp_path: Path) -> None:
    own = tmp_path / "fs" / "pod" / "gateway"
    own.mkdir(parents=True)
    proc = machine(tmp_path / "proc", "0::/pod/gateway\n", f"cgroup2 {tmp_path / 'fs'} cgroup2 rw 0 0")
    assert memory_limit(proc) is None
    (own / "memory.max").write_text("max\n")
    assert memory_limit(proc) is None
    (own / "memory.max").write_text(f"{512 * MIB}\n")
    assert memory_limit(proc) == 512 * MIB
    (own.parent / "memory.max").write_text(f"{256 * MIB}\n")
    assert memory_limit(proc) == 256 * MIB, "what holds for the pod holds for its containers"


def test_the_limit_of_version_1_is_read_beside_other_controllers(tmp_path: Path) -> None:
    folder = tmp_path / "memory"
    folder.mkdir()
    mounts = (f"cgroup {tmp_path / 'cpu'} cgroup rw,cpu 0 0", f"cgroup {folder} cgroup rw,memory 0 0")
    proc = machine(tmp_path / "proc", "5:cpu:/x\n4:memory:/of/the/host\n0::/\n", *mounts)
    (folder / "memory.limit_in_bytes").write_text("9223372036854771712\n")
    assert memory_limit(proc) is None
    (folder / "memory.limit_in_bytes").write_text(f"{256 * MIB}\n")
    assert memory_limit(proc) == 256 * MIB, "a container sees its own group where the mount is"


def test_a_machine_without_groups_has_no_limit(tmp_path: Path) -> None:
    assert memory_limit(tmp_path) is None
    assert memory_limit(machine(tmp_path / "proc", "0::/\n", "proc /proc proc rw 0 0")) is None


@pytest.mark.parametrize(
    ("limit", "workers", "observers", "mib"),
    [
        (None, 1, True, 256),
        (8192, 1, True, 256),
        (256, 1, False, 42),
        (512, 1, True, 42),
        (512, 2, False, 53),
        (128, 4, True, 16),  # one body must fit, whatever comes of it
    ],
)
def test_the_budget_leaves_room_for_the_processes(limit: int | None, workers: int, observers: bool, mib: int) -> None:
    given = None if limit is None else limit * MIB
    assert body_budget(given, workers=workers, observers=observers, largest=LARGEST) // MIB == mib


def test_a_policy_that_judges_larger_bodies_gets_room_for_one() -> None:
    assert body_budget(None, workers=1, observers=False, largest=2 * MOST_BODY_BYTES) == 2 * MOST_BODY_BYTES
