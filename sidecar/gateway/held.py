"""Calls that are answered here and never forwarded: the body is taken in, then the answer is given."""

from __future__ import annotations

from typing import Final

from ..problem import Problem
from . import respond
from .call import Call

_MAX_HELD_BYTES: Final = 4 * 1024 * 1024


class HeldCall(Call):
    """Holds the body up to a limit, so that the connection can go on afterwards; then `reply` answers."""

    def begin(self) -> None:
        self._begun = True
        self.gateway.calls.add(self)
        if self.head.content_length > _MAX_HELD_BYTES:
            self.too_large()
        elif self.complete:
            self.reply()
        elif self.head.expects_continue:
            self.expect()

    def body(self, data: bytes) -> None:
        self.request_bytes += len(data)
        self._pending.append(data)
        if self.request_bytes > _MAX_HELD_BYTES and self._begun and not self.finished and not self._recorded:
            self.too_large()

    def body_end(self) -> None:
        self.complete = True
        if self._begun and not self.finished and not self._recorded:  # else: it waits for the disk
            self.reply()

    def reply(self) -> None:
        """The answer, once the body is whole."""
        raise AssertionError("a held call says what it answers")

    def expect(self) -> None:
        """The caller waits for a word before it sends the body."""
        self.connection.write(respond.CONTINUE)

    def too_large(self) -> None:
        """The answer to a body that is not taken in."""
        self.refuse(Problem(413, "too-large", "Too large", f"at most {_MAX_HELD_BYTES} bytes; send less at a time"))


class RefusedCall(HeldCall):
    """A request line that policy does not let pass: refused in its protocol's own shape, and recorded."""

    def reply(self) -> None:
        assert self.line.problem is not None
        self.refuse(self.line.problem)

    def expect(self) -> None:
        self.reply()

    def too_large(self) -> None:
        self.reply()
