"""Messages, tools and results of `anthropic`, to and from the shape that `coo_runner.chat` takes."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from typing import Any

from anthropic import _errors
from coo_runner import chat
from coo_runner.objects import Result

#: Parameters that change nothing about the answer, or that the host decides.
IGNORED = frozenset("betas container extra_body extra_headers extra_query metadata service_tier stream timeout".split())
TAKEN = frozenset(
    "max_tokens messages model stop_sequences system temperature tool_choice tools top_p".split()
)
_STOP_REASONS = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
    "other": "end_turn",
}
#: Answers have no ids on record: these count the calls of the run.
_numbers = itertools.count(1)


class Message(Result):
    pass


class TextBlock(Result):
    pass


class ToolUseBlock(Result):
    pass


class Usage(Result):
    pass


def request_of(parameters: Mapping[str, Any]) -> chat.Request:
    given = {name: value for name, value in parameters.items() if value is not None}
    for name, value in given.items():
        disabled = name == "thinking" and chat.plain(value) == {"type": "disabled"}
        if name not in TAKEN and name not in IGNORED and not disabled:
            raise _errors.BadRequestError(f"{name}: coo's model calls do not have it ({value!r} asked)")
    for name in ("max_tokens", "messages", "model"):
        if name not in given:
            raise TypeError(
                "Missing required arguments; Expected either ('max_tokens', 'messages' and 'model') or "
                f"('max_tokens', 'messages', 'model' and 'stream') arguments to be given; '{name}' is missing"
            )
    messages: list[Any] = []
    if given.get("system"):
        messages.append({"role": "system", "content": given["system"]})
    for message in given["messages"]:
        messages += _messages(chat.plain(message))
    call = chat.Call(
        messages=messages,
        model=given["model"],
        temperature=given.get("temperature"),
        top_p=given.get("top_p"),
        max_tokens=given["max_tokens"],
        stop=given.get("stop_sequences"),
        tools=[_tool(chat.plain(tool)) for tool in given.get("tools", ())],
        tool_choice=_tool_choice(chat.plain(given.get("tool_choice"))),
    )
    try:
        return chat.request(call)
    except ValueError as error:
        raise _errors.BadRequestError(str(error)) from error


def _messages(message: Any) -> list[Any]:
    """One message of Anthropic's can be several here: each tool's result is one of its own."""
    if not isinstance(message, Mapping):
        raise TypeError(f"a message is a dict with 'role' and 'content', not {type(message).__name__}")
    role, content = message.get("role"), message.get("content")
    if role not in ("user", "assistant"):
        raise _errors.BadRequestError(f"messages: the role is user or assistant, not {role!r}; use the parameter system")
    if isinstance(content, str):
        return [{"role": role, "content": content}]
    if content is None:
        raise _errors.BadRequestError("messages: a message has no content")
    results, parts, calls = [], [], []
    for block in content:
        block = chat.plain(block)
        if not isinstance(block, Mapping):
            raise TypeError(f"a block of content is a dict, not {type(block).__name__}")
        match block.get("type"):
            case "text":
                parts.append({"type": "text", "text": block.get("text")})
            case "image":
                parts.append({"type": "image_url", "image_url": {"url": _image_url(block.get("source"))}})
            case "tool_use":
                arguments = json.dumps(block.get("input") or {}, separators=(",", ":"), ensure_ascii=False)
                function = {"name": block.get("name"), "arguments": arguments}
                calls.append({"id": block.get("id"), "type": "function", "function": function})
            case "tool_result":
                results.append(
                    {"role": "tool", "tool_call_id": block.get("tool_use_id"), "content": block.get("content") or ""}
                )
            case kind:
                raise _errors.BadRequestError(f"content: coo does not pass on blocks of type {kind!r}")
    if role == "assistant":
        return [{"role": role, "content": parts, "tool_calls": calls}]
    return results + ([{"role": role, "content": parts}] if parts else [])


def _image_url(source: Any) -> str:
    match chat.plain(source):
        case {"type": "base64", "media_type": str(media_type), "data": str(data)}:
            return f"data:{media_type};base64,{data}"
    raise _errors.BadRequestError("content: an image's source is base64: the sandbox has no network to fetch one")


def _tool(tool: Any) -> Any:
    if tool.get("type", "custom") != "custom":
        raise _errors.BadRequestError(f"tools: coo has no tool of type {tool['type']!r}")
    return {
        "name": tool.get("name"),
        "description": tool.get("description"),
        "parameters": tool.get("input_schema"),
        "strict": tool.get("strict"),
    }


def _tool_choice(choice: Any) -> Any:
    match choice:
        case None | {"type": "auto"}:
            return None if choice is None else "auto"
        case {"type": "any"}:
            return "required"
        case {"type": "none"}:
            return "none"
        case {"type": "tool", "name": name}:
            return {"type": "function", "function": {"name": name}}
    raise _errors.BadRequestError(f"tool_choice: is auto, any, none or a tool, not {choice!r}")


def message_of(answer: chat.Answer) -> Message:
    content: list[Result] = []
    if answer.text:
        content.append(TextBlock(citations=None, text=answer.text, type="text"))
    for call in answer.tool_calls:
        content.append(ToolUseBlock(id=call.id, input=call.parsed(), name=call.name, type="tool_use"))
    usage = Usage(
        cache_creation_input_tokens=None,
        cache_read_input_tokens=None,
        input_tokens=answer.usage.prompt_tokens or 0,
        output_tokens=answer.usage.completion_tokens or 0,
    )
    return Message(
        id=f"msg_{next(_numbers):06}",
        content=content,
        model=answer.model,
        role="assistant",
        stop_reason=_STOP_REASONS[answer.finish_reason],
        stop_sequence=None,
        type="message",
        usage=usage,
    )


def events_of(message: Message) -> list[Result]:
    """The whole answer as the events of a stream, one delta a block."""
    events = [Result(type="message_start", message=message)]
    for index, block in enumerate(message.content):
        if block.type == "text":
            delta = Result(type="text_delta", text=block.text)
        else:
            delta = Result(type="input_json_delta", partial_json=json.dumps(block.input, ensure_ascii=False))
        events += [
            Result(type="content_block_start", index=index, content_block=block),
            Result(type="content_block_delta", index=index, delta=delta),
            Result(type="content_block_stop", index=index),
        ]
    delta = Result(stop_reason=message.stop_reason, stop_sequence=None)
    events.append(Result(type="message_delta", delta=delta, usage=message.usage))
    events.append(Result(type="message_stop"))
    return events
