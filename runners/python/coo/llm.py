"""Ask models. Every call is on record, and a replay answers it from there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from coo_runner import chat, loop
from coo_runner.chat import Answer, Error, Refused, Rejected, ToolCall, Unfit, Usage

__all__ = [
    "Answer",
    "Error",
    "Refused",
    "Rejected",
    "ToolCall",
    "Unfit",
    "Usage",
    "ask",
    "complete",
    "complete_many",
]


def complete(prompt: str | Sequence[Mapping[str, Any]], **options: Any) -> Answer:
    """One call. `prompt` is a text, or messages in the shape that OpenAI's API gave them."""
    return _value(chat.send_one(_request(prompt, options)))


async def ask(prompt: str | Sequence[Mapping[str, Any]], **options: Any) -> Answer:
    """Like `complete`. Calls that several tasks wait for are made at the same time."""
    return _value(await loop.running().ask(_request(prompt, options)))


def complete_many(
    requests: Iterable[str | Sequence[Mapping[str, Any]] | Mapping[str, Any]], *, return_errors: bool = False
) -> list[Any]:
    """Several calls at the same time; the answers are in the order of the requests.

    A request is a prompt as for `complete`, or a dict with `prompt` and the options of `complete`. The
    first failed call raises its error; with `return_errors`, errors stand in the list.
    """
    made = []
    for request in requests:
        options: dict[str, Any] = {}
        if isinstance(request, Mapping):
            options = dict(request)
            request = options.pop("prompt")
        made.append(_request(request, options))
    outcomes = chat.send(made)
    return list(outcomes) if return_errors else [_value(outcome) for outcome in outcomes]


def _request(prompt: str | Sequence[Mapping[str, Any]], options: Mapping[str, Any]) -> chat.Request:
    options = dict(options)
    messages: list[Any] = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else list(prompt)
    system = options.pop("system", None)
    if system is not None:
        messages.insert(0, {"role": "system", "content": system})
    schema = options.pop("schema", None)
    if options.pop("json", False):
        options["response_format"] = {"type": "json_object"}
    if schema is not None:
        options["response_format"] = {"type": "json_schema", "json_schema": {"schema": schema}}
    known = chat.Call.__dataclass_fields__
    for name in options:
        if name not in known or name == "messages":
            raise TypeError(f"coo.llm has no option {name!r}")
    return chat.request(chat.Call(messages, **options))


def _value(outcome: chat.Outcome) -> Answer:
    if isinstance(outcome, Error):
        raise outcome
    return outcome
