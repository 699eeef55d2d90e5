"""What a script can do to the world: ask models, use the database, write artefacts, give an output.

For editors and type checkers: put the folder `stubs` on their path (mypy: `mypy_path`, pyright: `stubPath`).
"""

from collections.abc import Callable
from typing import Any, TypeVar

from coo import db as db, gateway as gateway, llm as llm

_Function = TypeVar("_Function", bound=Callable[..., Any])

input: str
"""The step's input."""

def input_json() -> Any:
    """The step's input, read as JSON."""

def output(value: object) -> None:
    """Makes `value` the output: text as it is, anything else as canonical JSON. The last call counts."""

def mission(function: _Function) -> _Function:
    """Makes a function the entry, which the runner calls when the script has ended. It takes the step's
    input or nothing, and what it returns is the output. It may be `async`."""
