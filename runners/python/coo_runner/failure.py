"""What is said about an uncaught exception: one line for the mission's reason, and the traceback as
Python prints it, without the runner's own frames. Never changes the exception.
"""

from __future__ import annotations

import traceback
from dataclasses import dataclass

#: A reason is one line that a person reads.
REASON_CHARACTERS_MAX = 2000


@dataclass(frozen=True)
class Report:
    reason: str
    traceback: str

    @classmethod
    def of(cls, error: BaseException, authors: frozenset[str], own_folder: str) -> Report:
        """`authors` are the names of the author's own files."""
        shown = traceback.TracebackException(type(error), error, error.__traceback__, compact=True)
        _strip(shown, own_folder, set())
        return cls(_reason(shown, error, authors), _printable("".join(shown.format())))


def one_line(error: BaseException) -> str:
    """Type and text of an exception."""
    return single("".join(traceback.format_exception_only(error)))


def single(text: str) -> str:
    """The text as one line of bounded length that is valid UTF-8."""
    text = " ".join(_printable(text).split())
    if len(text) > REASON_CHARACTERS_MAX:
        text = text[: REASON_CHARACTERS_MAX - 1] + "…"
    return text


def text_of(value: object) -> str:
    """`str(value)`, whatever the value's own code does."""
    try:
        return str(value)
    except Exception:
        return f"<{type(value).__name__} without a text>"


def _printable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


def _reason(shown: traceback.TracebackException, error: BaseException, authors: frozenset[str]) -> str:
    if isinstance(error, SyntaxError) and error.filename in authors:
        source = (error.text or "").strip()
        place = f"{error.filename}:{error.lineno}"
        text = f"{type(error).__name__}: {error.msg}, at {place}"
        return single(f"{text}: {source}" if source else text)
    text = "".join(next(iter(shown.format_exception_only()), type(error).__name__))
    text = single(text)
    frames = [frame for frame in shown.stack if frame.filename in authors]
    if not frames:
        return text
    frame = frames[-1]
    place = f"{frame.filename}:{frame.lineno}"
    if frame.name != "<module>":
        place += f" in {frame.name}"
    line = (frame.line or "").split("\n")[0].strip()
    return single(f"{text}, at {place}: {line}" if line else f"{text}, at {place}")


def _strip(shown: traceback.TracebackException, own_folder: str, seen: set[int]) -> None:
    if id(shown) in seen:
        return
    seen.add(id(shown))
    shown.stack[:] = [frame for frame in shown.stack if not frame.filename.startswith(own_folder)]
    for other in (shown.__cause__, shown.__context__, *(shown.exceptions or ())):
        if other is not None:
            _strip(other, own_folder, seen)
