"""The only way to make a file: an artefact, which appears when the mission completes."""

from dataclasses import dataclass

class Error(Exception):
    """An artefact that was not written."""

class Refused(Error):
    """The path is not permitted; the text says what and why."""

class Conflict(Error):
    """An artefact of this name exists with other content."""

@dataclass(frozen=True)
class Receipt:
    path: str
    sha256: str
    bytes: int

def write(path: str, content: str | bytes) -> Receipt:
    """Writes one artefact. Within one run a later write of the same path replaces an earlier one."""
