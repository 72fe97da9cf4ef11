"""Colour and movement where they can be seen, plain lines elsewhere."""

from __future__ import annotations

import io

import pytest

from sidecar.demo.terminal import Terminal


class Tty(io.StringIO):
    """A text stream that says it is a terminal."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


class Pipe(io.StringIO):
    """A text stream that says it is none."""

    encoding = "utf-8"


class AsciiPipe(io.StringIO):
    """A stream that cannot show more than ASCII."""

    encoding = "ascii"


def test_a_terminal_gets_colour() -> None:
    assert Terminal(Tty(), Tty(), {}, 80).paint("ok", "green") == "\x1b[32mok\x1b[0m"


@pytest.mark.parametrize("environment", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_colour_can_be_declined(environment: dict[str, str]) -> None:
    assert Terminal(Tty(), Tty(), environment, 80).paint("ok", "green") == "ok"


def test_a_pipe_gets_plain_lines_and_no_movement() -> None:
    out, talk = Pipe(), Pipe()
    terminal = Terminal(out, talk, {}, 80)
    with terminal.busy("waiting") as tick:
        tick()
    terminal.say(terminal.paint("done", "green"))
    assert (out.getvalue(), talk.getvalue()) == ("done\n", "")


def test_a_terminal_is_told_what_is_waited_for_and_the_line_is_taken_back() -> None:
    talk = Tty()
    with Terminal(Tty(), talk, {}, 80).busy("waiting") as tick:
        tick()
    assert "waiting" in talk.getvalue()
    assert talk.getvalue().endswith("\r\x1b[K")


def test_signs_become_letters_where_the_stream_cannot_show_them() -> None:
    out = AsciiPipe()
    Terminal(out, Pipe(), {}, 80).say("✓ sent → ok…")
    assert out.getvalue() == "+ sent -> ok...\n"


def test_long_text_is_cut_to_the_width() -> None:
    terminal = Terminal(Pipe(), Pipe(), {}, 60)
    assert terminal.cut("x" * 100, 10) == "x" * 49 + "…"
    assert terminal.cut("a  b", 10) == "a  b"


def test_a_long_answer_goes_on_in_the_next_line() -> None:
    words = "word " * 20
    first, *rest = lines = Terminal(Pipe(), Pipe(), {}, 60).wrap(words, 4, 6)
    assert all(len(line) <= 60 for line in lines)
    assert first.startswith(" " * 4 + "word")
    assert all(line.startswith(" " * 6 + "word") for line in rest)
    assert " ".join(lines).split() == words.split()
