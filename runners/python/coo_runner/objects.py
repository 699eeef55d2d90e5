"""The base of the result objects of the client libraries: attributes, `model_dump` and `to_dict`, as
the libraries have them. Holds data, and never asks anything.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NoReturn


class Result:
    """An object with the given attributes, in order."""

    def __init__(self, **fields: Any) -> None:
        self.__dict__.update(fields)

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={value!r}" for name, value in self.__dict__.items())
        return f"{type(self).__name__}({fields})"

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.__dict__ == other.__dict__

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        return iter(self.__dict__.items())

    def model_dump(self, *, exclude_none: bool = False, exclude: Any = (), **options: Any) -> dict[str, Any]:
        return {
            name: _dumped(value, exclude_none)
            for name, value in self.__dict__.items()
            if not (exclude_none and value is None) and name not in (exclude or ())
        }

    def model_dump_json(self, *, indent: int | None = None, **options: Any) -> str:
        separators = (",", ":") if indent is None else None
        return json.dumps(self.model_dump(**options), indent=indent, separators=separators, ensure_ascii=False)

    def to_dict(self, **options: Any) -> dict[str, Any]:
        """Without fields that the answer does not have."""
        return self.model_dump(exclude_none=True)

    def to_json(self, *, indent: int | None = 2, **options: Any) -> str:
        return json.dumps(self.to_dict(), indent=indent, ensure_ascii=False)

    dict = model_dump
    json = model_dump_json


def _dumped(value: Any, exclude_none: bool) -> Any:
    if isinstance(value, Result):
        return value.model_dump(exclude_none=exclude_none)
    if isinstance(value, list):
        return [_dumped(item, exclude_none) for item in value]
    return value


class Absent:
    """A part of a client library that has no counterpart in `coo`; using it says so by name."""

    def __init__(self, name: str, error: type[Exception]) -> None:
        self._name = name
        self._error = error

    def __getattr__(self, name: str) -> Absent:
        if name.startswith("__"):
            raise AttributeError(name)
        return Absent(f"{self._name}.{name}", self._error)

    def __call__(self, *args: object, **kwargs: object) -> NoReturn:
        raise self._error(f"{self._name} is not there in coo, whose models answer chat calls")


class Stream:
    """An answer as the few events that stand for a stream."""

    def __init__(self, events: list[Any]) -> None:
        self._events = iter(events)

    def __iter__(self) -> Iterator[Any]:
        return self._events

    def __next__(self) -> Any:
        return next(self._events)

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *details: object) -> None:
        self.close()

    def close(self) -> None:
        self._events = iter(())


class AsyncStream:
    """Like `Stream`, for `async for`."""

    def __init__(self, events: list[Any]) -> None:
        self._events = iter(events)

    def __aiter__(self) -> AsyncStream:
        return self

    async def __anext__(self) -> Any:
        for event in self._events:
            return event
        raise StopAsyncIteration

    async def __aenter__(self) -> AsyncStream:
        return self

    async def __aexit__(self, *details: object) -> None:
        await self.close()

    async def close(self) -> None:
        self._events = iter(())
