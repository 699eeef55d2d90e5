"""What the package `coo` and the runner share about the run: its input, its output, its entry."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from typing import Any

_NONE = object()

input_text = ""
entry: Callable[..., Any] | None = None
_output: object = _NONE


def begin(text: str) -> None:
    global input_text, entry, _output
    input_text, entry, _output = text, None, _NONE


def set_entry(function: Callable[..., Any]) -> None:
    global entry
    if entry is not None and entry is not function:
        raise TypeError(f"@coo.mission is on {entry.__qualname__} already; a script has one entry")
    entry = function


def set_output(value: object) -> None:
    """Keeps a value as the output. Text is made of it at once, so that a wrong value fails where it is given."""
    global _output
    _output = text_of(value)


def output_text() -> str:
    return "" if _output is _NONE else str(_output)


def text_of(value: object) -> str:
    """Text as it is, anything else as canonical JSON."""
    text = value if isinstance(value, str) else json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False, default=_plain
    )
    text.encode()
    return text


def _plain(value: object) -> object:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    dump = getattr(value, "model_dump", None)
    if callable(dump):
        return dump()
    raise TypeError(f"an output is text or JSON; {type(value).__name__} is neither")
