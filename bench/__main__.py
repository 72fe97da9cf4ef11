"""`python -m bench`: measure, print, and leave nothing running."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Final

from . import contracts, environments, report
from .failure import BenchError
from .load import PinnedLoad
from .memory import Plan as Containers
from .memory import memory
from .observers_alone import RECORDS, observers_alone
from .processes import cores
from .rounds import Timing, run_rounds
from .shadow import Plan, shadow
from .soak import soak
from .stage import DIRECT, REFERENCE, kinds, stage
from .sustained import Plan as Endurance
from .sustained import sustained

# Measured twice in every round: what two instances of one system differ by is noise.
TWINS: Final = ("envoy", "sidecar")
WHAT: Final = (
    "contract: decoding and checking rows beside other libraries; memory: 10 MB bodies in containers of 256 MiB while "
    "the candidates are down; micro: where the microseconds go, without sockets; "
    "shadow: callers' p99 beside a broken candidate; sustained: everything on, every observer too"
)
QUICK: Final = Timing(rounds=2, seconds=3, paced_seconds=1.5)
QUICK_CASE_SECONDS: Final = 10.0
FULL: Final = Timing(rounds=5, seconds=6, paced_seconds=3)


def command_line() -> argparse.ArgumentParser:
    """The parser of `python -m bench`."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure the gateway beside its peers.")
    parser.add_argument("what", nargs="?", choices=["contract", "memory", "micro", "shadow", "sustained"], help=WHAT)
    parser.add_argument("--quick", action="store_true", help="2 rounds of 3 s instead of 5 of 6 s")
    parser.add_argument("--rounds", type=int, help="how often each system is measured")
    parser.add_argument("--seconds", type=float, help="length of a saturation run; fixed-rate runs last half of it")
    parser.add_argument("--rate", type=float, metavar="N", help="sustained, memory: requests a second; 0: closed loop")
    parser.add_argument("--observers-alone", action="store_true", help="sustained: the observers on one core, no load")
    parser.add_argument(
        "--pure", action="store_true", help="sustained, memory: the sources, where there is a build, too"
    )
    parser.add_argument("--records", type=int, metavar="N", help="of --observers-alone: how many (default 60000)")
    parser.add_argument("--no-latency", action="store_true", help="saturation only")
    parser.add_argument("--systems", help=f"comma-separated, of: {', '.join(kinds())}; direct and envoy always run")
    parser.add_argument("--soak", type=int, metavar="N", help="send N requests to the sidecar and watch its memory")
    parser.add_argument("--json", type=Path, metavar="FILE", help="every run, and the summary")
    parser.add_argument("--data", type=Path, metavar="DIR", help="where journals and logs go (default .cache/bench)")
    return parser


def arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    return command_line().parse_args(words)


def timing(options: argparse.Namespace) -> Timing:
    base = QUICK if options.quick else FULL
    seconds = options.seconds or base.seconds
    rounds = options.rounds or base.rounds
    if rounds < 1 or seconds < 1:
        raise BenchError("--rounds and --seconds must be at least 1")
    return Timing(rounds, seconds, 0.0 if options.no_latency else seconds / 2)


def endurance(options: argparse.Namespace) -> Endurance:
    """How long, and how many a second."""
    base = Endurance()
    seconds = base.seconds if options.seconds is None else options.seconds
    rate = base.rate if options.rate is None else options.rate or None
    if seconds < 1 or (rate is not None and rate < 1):
        raise BenchError("--seconds and --rate must be at least 1 (--rate 0: closed loop)")
    return Endurance(seconds, rate, not options.pure)


def containers(options: argparse.Namespace) -> Containers:
    """How long each case takes, and how many bodies a second are offered."""
    base = Containers()
    seconds = options.seconds or (QUICK_CASE_SECONDS if options.quick else base.seconds)
    rate = options.rate or base.rate
    if seconds < 1 or rate < 1:
        raise BenchError("--seconds and --rate must be at least 1")
    return Containers(seconds, rate, compiled=not options.pure)


def labels(systems: str | None) -> tuple[list[str], frozenset[str]]:
    """(what to start, what the user named and must therefore run). BenchError for a name that is none."""
    named = [name.strip() for name in systems.split(",")] if systems else []
    unknown = sorted(set(named) - set(kinds()))
    if unknown:
        raise BenchError(f"--systems: unknown {', '.join(unknown)}; there are {', '.join(kinds())}")
    wanted = list(dict.fromkeys([DIRECT, REFERENCE, *(named or kinds())]))
    twins = [f"{name}/2" for name in TWINS if name in wanted]
    return [*wanted, *twins], frozenset([DIRECT, REFERENCE, *named])


def compare(options: argparse.Namespace, folder: Path) -> None:
    wanted, must_run = labels(options.systems)
    plan = timing(options)
    load = PinnedLoad(cores()[0], folder)
    with stage(wanted, folder, must_run=must_run) as running:
        for label, reason in running.left_out.items():
            print(f"left out: {label}: {reason}", file=sys.stderr)
        results = run_rounds(running.instances, load, plan)
        print(report.text(results, running.instances, running.left_out, plan))
        if options.json:
            found = report.document(results, running.instances, running.left_out, plan)
            options.json.write_text(json.dumps(found, indent=1) + "\n")


def _end(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def main() -> int:
    options = arguments()
    # SIGTERM ends everything in the same order as Ctrl-C.
    signal.signal(signal.SIGTERM, _end)
    try:
        if options.what == "contract":
            contracts.contract(pure=options.pure)
            return 0
        if options.what == "micro":
            from . import micro  # needs the sidecar’s own packages, the rest does not

            micro.main()
            return 0
        with tempfile.TemporaryDirectory(dir=options.data or environments.scratch()) as folder:
            if options.what == "shadow":
                plan = Plan()
                plan = Plan(options.rounds or plan.rounds, options.seconds or plan.seconds)
                shadow(Path(folder).resolve(), plan)
            elif options.what == "memory":
                memory(Path(folder).resolve(), containers(options))
            elif options.what == "sustained" and options.observers_alone:
                observers_alone(Path(folder).resolve(), options.records or RECORDS, compiled=not options.pure)
            elif options.what == "sustained":
                sustained(Path(folder).resolve(), endurance(options), options.json)
            elif options.soak:
                soak(options.soak, Path(folder).resolve())
            else:
                compare(options, Path(folder).resolve())
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("bench: stopped, everything that was started has ended", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
