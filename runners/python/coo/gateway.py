"""The only way to make a file: an artefact, which appears when the mission completes."""

from __future__ import annotations

from dataclasses import dataclass

from componentize_py_types import Err
from wit_world.imports import gateway as host

__all__ = ["Conflict", "Error", "Receipt", "Refused", "write"]


class Error(Exception):
    """An artefact that was not written."""


class Refused(Error):
    """The path is not permitted; the text says what and why."""


class Conflict(Error):
    """An artefact of this name exists with other content."""


@dataclass(frozen=True)
class Receipt:
    path: str
    #: SHA-256 of the content, 64 lower-case hex digits.
    sha256: str
    bytes: int


def write(path: str, content: str | bytes) -> Receipt:
    """Writes one artefact. Within one run a later write of the same path replaces an earlier one."""
    if not isinstance(path, str):
        raise TypeError(f"a path is a str, not {type(path).__name__}")
    path.encode()
    if not isinstance(content, str | bytes | bytearray | memoryview):
        raise TypeError(f"content is str or bytes, not {type(content).__name__}; json.dumps makes text of data")
    data = content.encode() if isinstance(content, str) else bytes(content)
    try:
        receipt = host.write(path, data)
    except Err as error:
        kind = Conflict if isinstance(error.value, host.Error_Conflict) else Refused
        raise kind(error.value.value) from None
    return Receipt(receipt.path, receipt.sha256, receipt.bytes)
