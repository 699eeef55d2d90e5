"""Ask models. Every call is on record, and a replay answers it from there."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypedDict, overload

Message = Mapping[str, Any]
"""`role` and `content`, and for tools `tool_calls` or `tool_call_id`, as in OpenAI's chat API."""
Prompt = str | Sequence[Message]
ToolChoice = Literal["auto", "none", "required"] | Mapping[str, Any]

class Request(TypedDict, total=False):
    """A prompt and the options of `complete`; `prompt` must be there."""

    prompt: Prompt
    system: str | None
    model: str | None
    temperature: float | None
    top_p: float | None
    max_tokens: int | None
    stop: str | Sequence[str] | None
    tools: Iterable[Mapping[str, Any]]
    tool_choice: ToolChoice | None
    json: bool
    schema: Mapping[str, Any] | None
    response_format: Mapping[str, Any] | None

@dataclass(frozen=True)
class ToolCall:
    id: str
    name: str
    arguments: str
    def parsed(self) -> dict[str, Any]: ...

@dataclass(frozen=True)
class Usage:
    prompt_tokens: int | None
    completion_tokens: int | None

@dataclass(frozen=True)
class Answer:
    text: str
    tool_calls: list[ToolCall]
    model: str
    finish_reason: Literal["stop", "length", "content_filter", "tool_calls", "other"]
    usage: Usage
    def json(self) -> Any: ...

class Error(Exception):
    """A model call that gave no usable answer."""

class Refused(Error):
    """The call is against the descriptor or a limit of the run."""

class Rejected(Error):
    """The provider refused this very request."""

class Unfit(Error):
    """The answer is not what the request asked for. It is on record and paid for."""

    answer: Answer

def complete(
    prompt: Prompt,
    *,
    system: str | None = None,
    model: str | None = None,
    temperature: float | None = None,
    top_p: float | None = None,
    max_tokens: int | None = None,
    stop: str | Sequence[str] | None = None,
    tools: Iterable[Mapping[str, Any]] = (),
    tool_choice: ToolChoice | None = None,
    json: bool = False,
    schema: Mapping[str, Any] | None = None,
    response_format: Mapping[str, Any] | None = None,
) -> Answer:
    """One call."""

async def ask(
    prompt: Prompt,
    *,
    system: str | None = None,
    model: str | None = None,
    temperature: float | None = None,
    top_p: float | None = None,
    max_tokens: int | None = None,
    stop: str | Sequence[str] | None = None,
    tools: Iterable[Mapping[str, Any]] = (),
    tool_choice: ToolChoice | None = None,
    json: bool = False,
    schema: Mapping[str, Any] | None = None,
    response_format: Mapping[str, Any] | None = None,
) -> Answer:
    """Like `complete`. Calls that several tasks wait for are made at the same time."""

@overload
def complete_many(
    requests: Iterable[Prompt | Request], *, return_errors: Literal[False] = False
) -> list[Answer]: ...
@overload
def complete_many(requests: Iterable[Prompt | Request], *, return_errors: bool) -> list[Answer | Error]: ...
