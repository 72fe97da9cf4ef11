"""The demo from beginning to end: start, converse, show what was recorded, stay, clean up."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import ExitStack

from . import conversation
from .launch import Options, Running, start
from .process import own_environment
from .story import PATIENT, SETOSA
from .terminal import Terminal


def play(options: Options, terminal: Terminal) -> int:
    """0 when everything went as the story expects, 1 when not. RuntimeSetupError when a server did not start."""
    with ExitStack() as cleanup:
        terminal.say(terminal.paint("sidecar demo", "bold"))
        terminal.say()
        running = start(options, terminal, cleanup)
        sent, unexpected = conversation.hold(running.url, terminal)
        unexpected += _show_records(running, sent, terminal)
        _show_addresses(running, terminal)
        terminal.say()
        if unexpected:
            terminal.say(terminal.paint(f"{unexpected} expectations were not met; the end of the sidecar's log:", "red"))
            terminal.say(running.sidecar.tail())
        else:
            terminal.say(terminal.paint(f"All {sent} requests went as expected.", "green"))
        if options.stay:
            _stay(running, terminal)
        return 1 if unexpected else 0
