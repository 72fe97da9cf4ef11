"""The command line as a whole: help, mistakes, exit codes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sidecar import __version__
from sidecar.cli import COMMANDS, main

ROOT = Path(__file__).parents[2]


def sidecar(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith("SIDECAR_")}
    return subprocess.run(
        [sys.executable, "-m", "sidecar", *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=60,
        env={**own, **environ},
    )


def test_version() -> None:
    done = sidecar("--version")
    assert (done.returncode, done.stdout) == (0, f"sidecar {__version__}\n")


def test_help_shows_examples_before_options() -> None:
    text = sidecar("--help").stdout
    assert text.index("sidecar serve --upstream") < text.index("--version")
    assert all(command in text for command in COMMANDS)


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_has_help_under_its_own_name(command: str) -> None:
    done = sidecar(command, "--help")
    assert done.returncode == 0
    assert done.stdout.startswith(f"usage: sidecar {command} ")


def test_help_is_quick_because_commands_are_loaded_when_asked_for() -> None:
    code = "import sys; sys.argv = ['sidecar', '--help']\nfrom sidecar.cli import main\n"
    code += "try: main()\nexcept SystemExit: pass\nprint([m for m in ('numpy', 'httpx', 'yaml') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.splitlines()[-1] == "[]"


def test_the_supervisor_loads_nothing_heavy() -> None:
    code = "import sys\nimport sidecar.supervisor.supervise\n"
    code += "print([m for m in ('numpy', 'pyarrow', 'starlette', 'opentelemetry', 're2') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["srve"], "no command 'srve'; did you mean serve?"),
        (["xyzzy"], "no command 'xyzzy'; there are: serve,"),
        (["nonsense"], "no command 'nonsense'; there are: serve,"),
        (["replay"], "no command 'replay'; there are: serve,"),
        (["statsu"], "no command 'statsu'; did you mean status?"),
        (["serve", "--workers", "0"], "--workers 0: not a number from 1 to 256"),
        (["serve", "--no-such-flag"], "sidecar serve: unrecognized arguments: --no-such-flag"),
        (["check", "--frmat", "json"], "--frmat; did you mean --format?"),
        (["--no-such-flag"], "sidecar: unrecognized arguments: --no-such-flag"),
        (["status", "--data", "/no/such"], "nothing serves from /no/such"),
        (["status", "--health", "http://127.0.0.1:9"], "is it running"),
        (["status", "--health", "nonsense"], "is it running"),
    ],
)
def test_mistakes_are_told_without_a_traceback(arguments: list[str], said: str) -> None:
    done = sidecar(*arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_no_command_shows_help_and_is_no_answer() -> None:
    done = sidecar()
    assert done.returncode == 2
    assert "sidecar serve" in done.stderr


def test_main_answers_with_the_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--data", "/no/such", "--format", "json"]) == 2
    assert '"reachable": false' in capsys.readouterr().out


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-m", "sidecar", "schema"], stdout=write, stderr=subprocess.PIPE, text=True, cwd=ROOT
    )
    os.close(write)
    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
def test_a_full_disk_is_a_message_and_no_verdict() -> None:
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "sidecar", "schema"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, cwd=ROOT, timeout=60)
    assert (done.returncode, done.stderr) == (2, "sidecar: cannot write: No space left on device\n")


@pytest.mark.parametrize("closed", ["1", "2"])
def test_closed_output_is_no_crash(closed: str) -> None:
    line = f'exec "$0" -m sidecar check policies/iris.yaml {closed}>&-'
    done = subprocess.run(["sh", "-c", line, sys.executable], capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
