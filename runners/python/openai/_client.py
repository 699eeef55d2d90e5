"""The clients of `openai`. One call of theirs is one model call of `coo`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from coo_runner import chat, loop
from coo_runner.objects import Absent, AsyncStream, Stream
from openai import _errors, _parts

#: What a client has besides chat.
_ABSENT = frozenset(
    """audio batches completions containers conversations embeddings evals files fine_tuning images models
    moderations realtime uploads vector_stores videos webhooks with_raw_response with_streaming_response""".split()
)


def _now(request: chat.Request, then: Callable[[chat.Answer], Any]) -> Any:
    return then(_value(chat.send_one(request)))


async def _later(request: chat.Request, then: Callable[[chat.Answer], Any]) -> Any:
    return then(_value(await loop.running().ask(request)))


def _value(outcome: chat.Outcome) -> chat.Answer:
    if isinstance(outcome, chat.Error):
        raise _errors.of(outcome) from None
    return outcome


class _Completions:
    def __init__(self, ask: Callable[..., Any], stream: type) -> None:
        self._ask = ask
        self._stream = stream

    def create(self, **parameters: Any) -> Any:
        request = _parts.request_of(_parts.call_of(parameters))
        if not parameters.get("stream"):
            return self._ask(request, _parts.completion_of)
        usage = bool((parameters.get("stream_options") or {}).get("include_usage"))
        return self._ask(
            request, lambda answer: self._stream(_parts.chunks_of(_parts.completion_of(answer), usage))
        )

    def parse(self, **parameters: Any) -> Any:
        request = _parts.request_of(_parts.call_of(parameters))
        form = parameters.get("response_format")
        return self._ask(request, lambda answer: _parts.parse(_parts.completion_of(answer), form))

    def __getattr__(self, name: str) -> Absent:
        return _absent(f"chat.completions.{name}")


class _Chat:
    def __init__(self, ask: Callable[..., Any], stream: type) -> None:
        self.completions = _Completions(ask, stream)


class _Responses:
    def __init__(self, ask: Callable[..., Any]) -> None:
        self._ask = ask

    def create(self, *, input: Any, instructions: str | None = None, **parameters: Any) -> Any:
        messages = [{"role": "user", "content": input}] if isinstance(input, str) else list(input)
        if instructions is not None:
            messages.insert(0, {"role": "system", "content": instructions})
        given = {name: value for name, value in parameters.items() if value is not None}
        if "max_output_tokens" in given:
            given["max_tokens"] = given.pop("max_output_tokens")
        form = given.pop("text", {}).get("format")
        if form is not None:
            given["response_format"] = form
        call = _parts.call_of({"messages": messages, **given})
        if parameters.get("stream"):
            raise _errors.BadRequestError("responses.create: stream is not there in coo; use chat.completions")
        return self._ask(_parts.request_of(call), _parts.response_of)

    def __getattr__(self, name: str) -> Absent:
        return _absent(f"responses.{name}")


def _absent(name: str) -> Absent:
    if name.rpartition(".")[2].startswith("__"):
        raise AttributeError(name)
    return Absent(f"openai: {name}", _errors.BadRequestError)


class _Client:
    _ask: Callable[..., Any]
    _stream: type

    def __init__(self, *, api_key: Any = None, base_url: Any = None, **options: Any) -> None:
        self.api_key = api_key
        self.base_url = base_url
        self.chat = _Chat(type(self)._ask, self._stream)
        self.responses = _Responses(type(self)._ask)

    @property
    def beta(self) -> _Client:
        # client.beta.chat.completions.parse is what became client.chat.completions.parse.
        return self

    def with_options(self, **options: Any) -> _Client:
        return self

    copy = with_options

    def __getattr__(self, name: str) -> Absent:
        if name in _ABSENT:
            return _absent(name)
        raise AttributeError(f"'{type(self).__name__}' object has no attribute {name!r}")


class OpenAI(_Client):
    _ask = staticmethod(_now)
    _stream = Stream

    def close(self) -> None:
        pass

    def __enter__(self) -> OpenAI:
        return self

    def __exit__(self, *details: object) -> None:
        pass


class AsyncOpenAI(_Client):
    _ask = staticmethod(_later)
    _stream = AsyncStream

    async def close(self) -> None:
        pass

    async def __aenter__(self) -> AsyncOpenAI:
        return self

    async def __aexit__(self, *details: object) -> None:
        pass
