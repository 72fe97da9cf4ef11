"""The demo from beginning to end: start, converse, show what was recorded, stay, clean up."""

from __future__ import annotations

import shutil
import signal
import sys
import time
from contextlib import ExitStack
from pathlib import Path

from ..errors import RuntimeSetupError
from . import conversation, records, watched
from .launch import Options, Running, start
from .story import SETOSA
from .terminal import Terminal


def play(options: Options, terminal: Terminal) -> int:
    """0 when everything went as the story expects, 1 when not. RuntimeSetupError when a server did not start."""
    with ExitStack() as cleanup:
        terminal.say(terminal.paint("sidecar demo", "bold"))
        terminal.say()
        running = start(options, terminal, cleanup)
        cleanup.callback(signal.signal, signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C must not leave servers behind
        answers, unexpected = conversation.hold(running.url, terminal)
        unexpected += records.show(running.data, answers, terminal)
        unexpected += watched.show(running, answers, terminal)
        if options.stay:
            _show_addresses(running, terminal)
        terminal.say()
        if unexpected:
            terminal.say(terminal.paint("Not as expected:", "red"))
            for sentence in unexpected:
                terminal.say(f"  {sentence}")
            terminal.say("The end of the sidecar's log:")
            terminal.say(running.sidecar.tail())
        else:
            terminal.say(terminal.paint(f"All {len(answers)} requests went as expected.", "green"))
        if options.stay:
            _stay(running, terminal)
        return 1 if unexpected else 0


def _show_addresses(running: Running, terminal: Terminal) -> None:
    sidecar = typed(Path(sys.executable), shutil.which("sidecar"), Path.cwd())
    terminal.say()
    terminal.say(terminal.paint("where to look", "bold"))
    terminal.say(f"  page      {running.admin}/")
    terminal.say(f"  ready     {running.health}/readyz")
    terminal.say(f"  metrics   {running.health}/metrics")
    terminal.say(f"  state     {sidecar} status --health {running.health}")
    terminal.say(f"  records   {sidecar} log cat --data {running.data}")
    terminal.say(f"  search    {sidecar} find '{watched.FIND}' --data {running.data}")
    terminal.say("  shadow    " + terminal.paint(f"curl -s {running.admin}/api/shadow", "cyan"))
    terminal.say("  yourself  " + terminal.paint(curl_line(running.url), "cyan"))


def typed(python: Path, on_path: str | None, here: Path) -> str:
    """How a person starts this very sidecar from folder `here`; `on_path` is what the bare name would start."""
    own = python.with_name("sidecar")
    if on_path is not None and Path(on_path) == own:
        return "sidecar"
    if not own.exists():
        return f"{python} -m sidecar"
    return str(own.relative_to(here) if own.is_relative_to(here) else own)


def curl_line(url: str) -> str:
    """A request to paste: the clean iris, ready for a value to be spoilt."""
    row = ",".join(str(value) for value in SETOSA)
    body = f'{{"inputs":[{{"name":"input-0","shape":[1,4],"datatype":"FP64","data":[{row}]}}]}}'
    return f"curl -i {url}/v2/models/iris/infer -H 'content-type: application/json' -d '{body}'"


def _stay(running: Running, terminal: Terminal) -> None:
    terminal.say()
    terminal.say("Everything stays up until Ctrl-C.")
    servers = (running.model.server, running.model.candidate, running.sidecar)
    try:
        while all(server.returncode is None for server in servers):
            time.sleep(0.2)
    except KeyboardInterrupt:
        terminal.say("\nstopping")
        return
    for server in servers:
        if server.returncode is not None:
            raise RuntimeSetupError(f"{server.name} ended with exit code {server.returncode}.\n{server.tail()}")
