"""A user's program: started without a shell, read line by line, ended with all that it started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from multiprocessing.connection import wait
from pathlib import Path
from typing import IO, BinaryIO

from ablation.user_code.training.run import TrainingError

TICK_SECONDS = 0.2  # between two looks at whether it has ended while its output stays open
CHUNK = 1 << 16
MAX_LINE = 1_000_000  # bytes; a longer line is no report

WATCH = "import os, signal, sys; sys.stdin.buffer.read(); os.killpg(0, signal.SIGKILL)"
"""Waits for a pipe to close, and then ends its process group, itself too."""


class Program:
    """A running program, and whatever it starts, in a process group of their own.

    `close` kills the group. It also ends when this process does, however it ends: a process that
    watches for that leads the group.

    Args:
        line: the words that start it.
        folder: its working directory.
        environment: its environment variables.
        log: gets what it prints.
        merge: whether its standard error is read as well, rather than only logged.

    Attributes:
        last: the last line that it has printed, empty ones aside.

    Raises:
        TrainingError: it cannot be started.
    """

    last = ""

    def __init__(
        self,
        line: Sequence[str],
        folder: Path,
        environment: Mapping[str, str],
        log: BinaryIO,
        *,
        merge: bool = False,
    ) -> None:
        self._log = log
        self._watch = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", WATCH],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            process_group=0,
        )
        try:
            self._process = subprocess.Popen(
                line,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT if merge else subprocess.PIPE,
                bufsize=0,
                cwd=folder,
                env=environment,
                process_group=self._watch.pid,
            )
        except BaseException as error:
            self._end_group()
            if isinstance(error, OSError | ValueError):  # the latter of a word with a NUL
                why = error.strerror if isinstance(error, OSError) else str(error)
                raise TrainingError(f"{line[0]} cannot be started: {why}") from error
            raise

    def lines(self) -> Iterator[str]:
        """What it prints, a line at a time, until it ends; all of it goes to the log."""
        rest, skipping = b"", False
        for text in self._texts():
            *whole, rest = (rest + text).split(b"\n")
            for line in whole:
                if not skipping:
                    yield line.decode("utf-8", "replace")
                skipping = False
            if len(rest) > MAX_LINE:
                rest, skipping = b"", True
        if rest and not skipping:
            yield rest.decode("utf-8", "replace")

    def _texts(self) -> Iterator[bytes]:
        """What it prints, in whole lines unless they are very long.

        Its standard error is only logged, after what it has printed before.
        """
        parts = dict.fromkeys(self._outputs, b"")  # of lines whose end has not come
        while parts:
            if ended := self._process.poll() is not None:
                self._kill_group()  # what it has started, which could print for ever
            ready = wait([each.fileno() for each in parts], timeout=0 if ended else TICK_SECONDS)
            if ended and not ready:
                break
            for output in [each for each in parts if each.fileno() in ready]:
                chunk = output.read(CHUNK)
                text, rest = _whole(parts[output] + chunk) if chunk else (parts[output], b"")
                parts[output] = rest
                if not chunk:
                    del parts[output]
                yield from self._logged(output, text)
        for output, text in parts.items():
            yield from self._logged(output, text)

    def _logged(self, output: IO[bytes], text: bytes) -> Iterator[bytes]:
        lines = [line for line in text.splitlines() if line.strip()]
        self.last = lines[-1].decode("utf-8", "replace").strip() if lines else self.last
        self._log.write(text)
        self._log.flush()
        if output is self._process.stdout:
            yield text

    @property
    def _outputs(self) -> list[IO[bytes]]:
        both = (self._process.stdout, self._process.stderr)
        return [output for output in both if output is not None]

    def status(self) -> int:
        """Its exit status; of a signal that ended it, the negative number. Waits for its end."""
        return self._process.wait()

    def _kill_group(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._watch.pid, signal.SIGKILL)

    def _end_group(self) -> None:
        self._kill_group()
        self._watch.wait()
        assert self._watch.stdin is not None
        self._watch.stdin.close()

    def close(self) -> None:
        """End it, and whatever it has started."""
        self._end_group()
        self._process.wait()
        for output in self._outputs:
            output.close()


def _whole(text: bytes) -> tuple[bytes, bytes]:
    """The whole lines at the start of a text, and the rest; all of it where it is long."""
    end = text.rfind(b"\n") + 1 or (len(text) if len(text) > CHUNK else 0)
    return text[:end], text[end:]
