"""The run's SQLite database. Its changes become visible when the mission completes, or not at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from componentize_py_types import Err
from wit_world.imports import db as host

__all__ = ["Constraint", "Error", "Failed", "Limit", "Refused", "Value", "execute", "query", "query_dicts"]

Value = int | float | str | bytes | None

_INTEGER_MIN, _INTEGER_MAX = -(2**63), 2**63 - 1


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


_ERRORS = {
    host.Error_Refused: Refused,
    host.Error_Failed: Failed,
    host.Error_Constraint: Constraint,
    host.Error_Limit: Limit,
}


def query(sql: str, params: Sequence[Value] = ()) -> list[tuple[Value, ...]]:
    """The rows of a read-only statement, as tuples. Parameters bind to `?1`, `?2`, … in order."""
    return [tuple(_from(value) for value in row) for row in _rows(sql, params).rows]


def query_dicts(sql: str, params: Sequence[Value] = ()) -> list[dict[str, Value]]:
    """The rows of a read-only statement, as dicts by the names of the columns."""
    rows = _rows(sql, params)
    return [dict(zip(rows.columns, (_from(value) for value in row))) for row in rows.rows]


def execute(sql: str, params: Sequence[Value] = ()) -> int:
    """Changes data or schema; returns the number of rows changed."""
    try:
        return host.execute(_sql(sql), _params(params))
    except Err as error:
        raise _error(error) from None


def _rows(sql: str, params: Sequence[Value]) -> host.Rows:
    try:
        return host.query(_sql(sql), _params(params))
    except Err as error:
        raise _error(error) from None


def _error(error: Err) -> Error:
    return _ERRORS[type(error.value)](error.value.value)


def _sql(sql: object) -> str:
    if not isinstance(sql, str):
        raise TypeError(f"a statement is a str, not {type(sql).__name__}")
    sql.encode()
    return sql


def _params(params: object) -> list[host.Value]:
    if isinstance(params, str | bytes | Mapping) or not isinstance(params, Sequence):
        raise TypeError(f"parameters are a tuple or a list, not {type(params).__name__}")
    return [_to(value) for value in params]


def _to(value: object) -> host.Value:
    match value:
        case None:
            return host.Value_Null()
        case bool() | int():
            if not _INTEGER_MIN <= value <= _INTEGER_MAX:
                raise OverflowError(f"{value} is no 64-bit integer; pass it as text")
            return host.Value_Integer(int(value))
        case float():
            return host.Value_Real(float(value))
        case str():
            value.encode()
            return host.Value_Text(str(value))
        case bytes() | bytearray() | memoryview():
            return host.Value_Blob(bytes(value))
    raise TypeError(f"a parameter is None, int, float, str or bytes, not {type(value).__name__}")


def _from(value: host.Value) -> Value:
    return None if isinstance(value, host.Value_Null) else value.value
