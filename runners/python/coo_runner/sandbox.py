"""Gives a script the surroundings that it expects: arguments, standard streams, `open`.

Standard output and standard error are the component's own; standard input is the step's input. There
are no files but those that came with the script, and what says so is an exception of Python.
"""

from __future__ import annotations

import builtins
import errno
import io
import logging
import os
import sys
import time
from collections.abc import Mapping

#: So that a script which prints much calls the host once for many lines.
OUTPUT_BUFFER_BYTES = 16 * 1024

_files: Mapping[str, str] = {}
_real_open = io.open


def begin(name: str, files: Mapping[str, str], text: str) -> None:
    global _files
    _files = files
    sys.argv[:1] = [name]
    sys.stdin = io.TextIOWrapper(io.BytesIO(text.encode()), encoding="utf-8")
    sys.stdout = sys.__stdout__ = _stream(1, "surrogateescape")
    sys.stderr = sys.__stderr__ = _stream(2, "backslashreplace")
    builtins.open = io.open = _open
    # Taken when the runner was built; 'relativeCreated' counts from it.
    logging._startTime = time.time_ns()


def _stream(descriptor: int, errors: str) -> io.TextIOWrapper:
    raw = io.FileIO(descriptor, "w", closefd=False)
    buffer = io.BufferedWriter(raw, OUTPUT_BUFFER_BYTES)
    return io.TextIOWrapper(buffer, encoding="utf-8", errors=errors, newline="\n", line_buffering=True)


def write_error(text: str) -> None:
    """Writes to standard error, also if the script has closed or replaced it."""
    try:
        flush()
        sys.__stderr__.write(text)
        sys.__stderr__.flush()
    except (OSError, ValueError, AttributeError):
        os.write(2, text.encode("utf-8", "backslashreplace"))


def flush() -> str | None:
    for stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):
            # A script may close its streams, or put something else in their place.
            pass
    return None


def _open(file, mode="r", buffering=-1, encoding=None, errors=None, newline=None, closefd=True, opener=None):
    if isinstance(file, int) or opener is not None:
        return _real_open(file, mode, buffering, encoding, errors, newline, closefd, opener)
    path = os.fspath(file)
    name = os.fsdecode(path)
    if any(letter in mode for letter in "wxa+"):
        raise PermissionError(
            errno.EACCES, "the sandbox has no files to write; use coo.gateway.write(path, content)", name
        )
    content = _files.get(os.path.normpath(name).removeprefix("/"))
    if content is None:
        raise FileNotFoundError(
            errno.ENOENT, "the sandbox has no files; pass data as the input (coo.input, or standard input)", name
        )
    data = io.BytesIO(content.encode())
    return data if "b" in mode else io.TextIOWrapper(data, encoding or "utf-8", errors, newline)
