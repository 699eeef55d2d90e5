"""The run's SQLite database. Its changes become visible when the mission completes, or not at all."""

from collections.abc import Sequence

Value = int | float | str | bytes | None

class Error(Exception):
    """A statement that was not carried out."""

class Refused(Error):
    """The statement uses something that is not permitted; the text names it."""

class Failed(Error):
    """SQLite's own message."""

class Constraint(Error):
    """A constraint of the schema was violated; the statement changed nothing."""

class Limit(Error):
    """The statement went beyond its bound of work, rows or bytes."""

def query(sql: str, params: Sequence[Value] = ()) -> list[tuple[Value, ...]]:
    """The rows of a read-only statement, as tuples. Parameters bind to `?1`, `?2`, … in order."""

def query_dicts(sql: str, params: Sequence[Value] = ()) -> list[dict[str, Value]]:
    """The rows of a read-only statement, as dicts by the names of the columns."""

def execute(sql: str, params: Sequence[Value] = ()) -> int:
    """Changes data or schema; returns the number of rows changed."""
