"""What a script can do to the world: ask models, use the database, write artefacts, give an output."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeVar

from coo import db, gateway, llm
from coo_runner import state

__all__ = ["db", "gateway", "input", "input_json", "llm", "mission", "output"]

_Function = TypeVar("_Function", bound=Callable[..., Any])


def __getattr__(name: str) -> object:
    if name == "input":
        return state.input_text
    raise AttributeError(f"module 'coo' has no attribute {name!r}")


def input_json() -> Any:
    """The step's input, read as JSON."""
    return json.loads(state.input_text)


def output(value: object) -> None:
    """Makes `value` the output: text as it is, anything else as canonical JSON. The last call counts."""
    state.set_output(value)


def mission(function: _Function) -> _Function:
    """Makes a function the entry: the runner calls it when the script has ended, with the step's input
    if it takes an argument, and what it returns is the output. It may be `async`."""
    state.set_entry(function)
    return function
