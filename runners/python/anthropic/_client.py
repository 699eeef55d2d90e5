"""The clients of `anthropic`. One call of theirs is one model call of `coo`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from anthropic import _errors, _parts
from coo_runner import chat, loop
from coo_runner.objects import Absent, AsyncStream, Stream

_ABSENT = frozenset("beta completions files models with_raw_response with_streaming_response".split())


def _now(request: chat.Request, then: Callable[[chat.Answer], Any]) -> Any:
    return then(_value(chat.send_one(request)))


async def _later(request: chat.Request, then: Callable[[chat.Answer], Any]) -> Any:
    return then(_value(await loop.running().ask(request)))


def _value(outcome: chat.Outcome) -> chat.Answer:
    if isinstance(outcome, chat.Error):
        raise _errors.of(outcome) from None
    return outcome


class _Messages:
    def __init__(self, ask: Callable[..., Any], events: type, manager: type) -> None:
        self._ask = ask
        self._events = events
        self._manager = manager

    def create(self, **parameters: Any) -> Any:
        request = _parts.request_of(parameters)
        if not parameters.get("stream"):
            return self._ask(request, _parts.message_of)
        return self._ask(request, lambda answer: self._events(_parts.events_of(_parts.message_of(answer))))

    def stream(self, **parameters: Any) -> Any:
        return self._manager(_parts.request_of(parameters))

    def __getattr__(self, name: str) -> Absent:
        return _absent(f"messages.{name}")


class MessageStream(Stream):
    """What `with client.messages.stream(…) as stream` gives."""

    def __init__(self, message: _parts.Message) -> None:
        super().__init__(_parts.events_of(message))
        self._message = message

    @property
    def text_stream(self) -> Iterator[str]:
        return (block.text for block in self._message.content if block.type == "text")

    def get_final_message(self) -> _parts.Message:
        return self._message

    def get_final_text(self) -> str:
        return "".join(self.text_stream)

    def until_done(self) -> None:
        pass


class AsyncMessageStream(AsyncStream):
    """Like `MessageStream`, for `async with`."""

    def __init__(self, message: _parts.Message) -> None:
        super().__init__(_parts.events_of(message))
        self._message = message

    @property
    async def text_stream(self) -> AsyncIterator[str]:
        for block in self._message.content:
            if block.type == "text":
                yield block.text

    async def get_final_message(self) -> _parts.Message:
        return self._message

    async def get_final_text(self) -> str:
        return "".join(block.text for block in self._message.content if block.type == "text")


class _Manager:
    def __init__(self, request: chat.Request) -> None:
        self._request = request

    def __enter__(self) -> MessageStream:
        return _now(self._request, lambda answer: MessageStream(_parts.message_of(answer)))

    def __exit__(self, *details: object) -> None:
        pass


class _AsyncManager:
    def __init__(self, request: chat.Request) -> None:
        self._request = request

    async def __aenter__(self) -> AsyncMessageStream:
        return await _later(self._request, lambda answer: AsyncMessageStream(_parts.message_of(answer)))

    async def __aexit__(self, *details: object) -> None:
        pass


def _absent(name: str) -> Absent:
    if name.rpartition(".")[2].startswith("__"):
        raise AttributeError(name)
    return Absent(f"anthropic: {name}", _errors.BadRequestError)


class _Client:
    messages: _Messages

    def __init__(self, *, api_key: Any = None, base_url: Any = None, **options: Any) -> None:
        self.api_key = api_key
        self.base_url = base_url

    def with_options(self, **options: Any) -> _Client:
        return self

    copy = with_options

    def __getattr__(self, name: str) -> Absent:
        if name in _ABSENT:
            return _absent(name)
        raise AttributeError(f"'{type(self).__name__}' object has no attribute {name!r}")


class Anthropic(_Client):
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.messages = _Messages(_now, Stream, _Manager)

    def close(self) -> None:
        pass

    def __enter__(self) -> Anthropic:
        return self

    def __exit__(self, *details: object) -> None:
        pass


class AsyncAnthropic(_Client):
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.messages = _Messages(_later, AsyncStream, _AsyncManager)

    async def close(self) -> None:
        pass

    async def __aenter__(self) -> AsyncAnthropic:
        return self

    async def __aexit__(self, *details: object) -> None:
        pass
