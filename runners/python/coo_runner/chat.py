"""Model calls between Python and the host: messages, tools and formats in the shape that OpenAI's API
gave them, made into the host's records, and its answers made into `Answer`.

Whatever the host would not take (wrong types, numbers out of range, text that is no Unicode) is an
exception here, so that it never reaches the boundary of the component. Never asks twice, except
without a model that the host does not know.
"""

from __future__ import annotations

import base64
import binascii
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from componentize_py_types import Ok
from wit_world.imports import llm as host

Request = host.ChatRequest

_FINISH = {
    host.ChatFinishReason.STOP: "stop",
    host.ChatFinishReason.LENGTH: "length",
    host.ChatFinishReason.CONTENT_FILTER: "content_filter",
    host.ChatFinishReason.TOOL_CALLS: "tool_calls",
    host.ChatFinishReason.OTHER: "other",
}
_U32_MAX = 2**32 - 1

#: Models that the host does not know: the operator's default model answers in their place.
_unknown_models: set[str] = set()


class Error(Exception):
    """A model call that gave no usable answer."""


class Refused(Error):
    """The call is against the descriptor or a limit of the run; the text names both sides."""


class Rejected(Error):
    """The provider refused this very request."""


class Unfit(Error):
    """The answer is not what the request asked for. It is on record and paid for."""

    def __init__(self, reason: str, answer: Answer) -> None:
        super().__init__(reason)
        self.answer = answer


@dataclass(frozen=True)
class ToolCall:
    """The model asks for a tool."""

    id: str
    name: str
    #: A JSON object, as the model wrote it.
    arguments: str

    def parsed(self) -> dict[str, Any]:
        return json.loads(self.arguments)


@dataclass(frozen=True)
class Usage:
    """Tokens as the provider counted them."""

    prompt_tokens: int | None
    completion_tokens: int | None


@dataclass(frozen=True)
class Answer:
    text: str
    tool_calls: list[ToolCall]
    model: str
    #: stop, length, content_filter, tool_calls or other.
    finish_reason: str
    usage: Usage

    def json(self) -> Any:
        """The text, read as JSON."""
        return json.loads(self.text)

    def __str__(self) -> str:
        return self.text


Outcome = Answer | Error


@dataclass
class Call:
    """The parts of a request in the shape of OpenAI's API; see `request`."""

    messages: Sequence[Any]
    model: str | None = None
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    stop: str | Sequence[str] | None = None
    tools: Iterable[Any] = field(default_factory=tuple)
    tool_choice: Any = None
    response_format: Any = None


def request(call: Call) -> Request:
    """Makes the host's record of a call. Raises `TypeError` or `ValueError` for what it can't hold."""
    stop = call.stop if call.stop is not None else []
    return Request(
        messages=[_message(message) for message in _list(call.messages, "messages")],
        model=None if call.model is None else _text(call.model, "model"),
        temperature=_number(call.temperature, "temperature"),
        top_p=_number(call.top_p, "top_p"),
        max_tokens=_count(call.max_tokens, "max_tokens"),
        stop=[_text(stop, "stop")] if isinstance(stop, str) else [_text(text, "stop") for text in stop],
        tools=[_tool(tool) for tool in call.tools or ()],
        tool_choice=_tool_choice(call.tool_choice),
        response_format=_response_format(call.response_format),
    )


def send(requests: Sequence[Request]) -> list[Outcome]:
    """Makes the calls: all of them together, and those whose model is not known again without it."""
    if not requests:
        return []
    for one in requests:
        if one.model in _unknown_models:
            one.model = None
    outcomes = _ask(requests)
    again = [index for index, outcome in enumerate(outcomes) if _model_is_unknown(requests[index], outcome)]
    for index in again:
        _forget_model(requests[index])
    if again:
        for index, outcome in zip(again, _ask([requests[index] for index in again])):
            outcomes[index] = outcome
    return outcomes


def send_one(one: Request) -> Outcome:
    return send([one])[0]


def _ask(requests: Sequence[Request]) -> list[Outcome]:
    return [
        _answer(result.value) if isinstance(result, Ok) else _error(result.value)
        for result in host.complete_many(list(requests))
    ]


def _model_is_unknown(one: Request, outcome: Outcome) -> bool:
    return one.model is not None and isinstance(outcome, Refused) and _names_no_alias(str(outcome))


def _names_no_alias(text: str) -> bool:
    # The host's sentence about an alias that the descriptor does not list.
    return text.startswith("model '") and text.endswith("under llm.models")


def _forget_model(one: Request) -> None:
    name, one.model = one.model, None
    if name not in _unknown_models:
        _unknown_models.add(name)
        print(f"coo: model '{name}' is not in the descriptor; the operator's default model answers", file=sys.stderr)


def _answer(completion: host.ChatCompletion) -> Answer:
    return Answer(
        completion.text,
        [ToolCall(call.id, call.name, call.arguments) for call in completion.tool_calls],
        completion.model,
        _FINISH[completion.finish_reason],
        Usage(completion.usage.prompt_tokens, completion.usage.completion_tokens),
    )


def _error(error: host.ChatError) -> Error:
    if isinstance(error, host.ChatError_Unfit):
        return Unfit(error.value.reason, _answer(error.value.completion))
    return (Refused if isinstance(error, host.ChatError_Refused) else Rejected)(error.value)


def plain(value: object) -> object:
    """A result object of a client library as the dict that it stands for; anything else as it is."""
    dump = getattr(value, "model_dump", None)
    return dump() if callable(dump) else value


def _message(message: object) -> host.ChatMessage:
    message = plain(message)
    if not isinstance(message, Mapping):
        raise TypeError(f"a message is a dict with 'role' and 'content', not {type(message).__name__}")
    role, content = message.get("role"), message.get("content")
    match role:
        case "system" | "developer":
            return host.ChatMessage_System(_joined(content, role))
        case "user":
            return host.ChatMessage_User(host.UserMessage(_joined(content, role), _images(content)))
        case "assistant":
            calls = [_tool_call(call) for call in message.get("tool_calls") or ()]
            text = "" if content is None else _joined(content, role)
            return host.ChatMessage_Assistant(host.AssistantMessage(text, calls))
        case "tool":
            call_id = _text(message.get("tool_call_id"), "tool_call_id")
            return host.ChatMessage_Tool(host.ToolMessage(call_id, _joined(content, role)))
    raise ValueError(f"a message's role is system, developer, user, assistant or tool, not {role!r}")


def _joined(content: object, role: str) -> str:
    """The text of a message, which may come in parts."""
    if isinstance(content, str):
        return _text(content, "content")
    texts = []
    for part in _parts(content, role):
        match part.get("type"):
            case "text" | "input_text" | "output_text":
                texts.append(_text(part.get("text"), "text"))
            case "image_url" | "input_image" if role == "user":
                pass
            case kind:
                raise ValueError(f"a part of a message of the {role} has type {kind!r}, which coo does not pass on")
    return "\n".join(texts)


def _images(content: object) -> list[host.Image]:
    if isinstance(content, str):
        return []
    images = []
    for part in _parts(content, "user"):
        if part.get("type") in ("image_url", "input_image"):
            url = part.get("image_url")
            images.append(_image(url.get("url") if isinstance(url, Mapping) else url))
    return images


def _image(url: object) -> host.Image:
    head, comma, data = str(url).partition(",")
    if not (head.startswith("data:") and head.endswith(";base64") and comma):
        raise ValueError("an image is a data URL (data:image/png;base64,…): the sandbox has no network to fetch one")
    return image(head.removeprefix("data:").removesuffix(";base64"), data)


def image(media_type: str, data: str) -> host.Image:
    """An image from base64."""
    try:
        return host.Image(_text(media_type, "media type"), base64.b64decode(data, validate=True))
    except binascii.Error as error:
        raise ValueError(f"an image's data is no base64: {error}") from error


def _parts(content: object, role: str) -> list[Mapping[str, Any]]:
    parts = [plain(part) for part in _list(content, f"content of the {role}")]
    return [{"type": "text", "text": part} if isinstance(part, str) else _mapping(part, "a part") for part in parts]


def _tool_call(call: object) -> host.ToolCall:
    call = _mapping(plain(call), "a tool call")
    function = _mapping(plain(call.get("function")), "a tool call's function")
    return host.ToolCall(
        _text(call.get("id"), "id"), _text(function.get("name"), "name"), _text(function.get("arguments"), "arguments")
    )


def _tool(tool: object) -> host.Tool:
    tool = _mapping(plain(tool), "a tool")
    if tool.get("type", "function") != "function":
        raise ValueError(f"a tool has type 'function', not {tool['type']!r}")
    function = _mapping(tool.get("function", tool), "a tool's function")
    parameters = function.get("parameters")
    return host.Tool(
        _text(function.get("name"), "a tool's name"),
        _text(function.get("description") or "", "a tool's description"),
        "" if not parameters else schema_text(parameters),
        bool(function.get("strict")),
    )


def _tool_choice(choice: object) -> host.ToolChoice | None:
    choice = plain(choice)
    match choice:
        case None:
            return None
        case "auto":
            return host.ToolChoice_Auto()
        case "none":
            return host.ToolChoice_None_()
        case "required":
            return host.ToolChoice_Required()
        case {"type": "function", "function": {"name": str(name)}} | {"type": "function", "name": str(name)}:
            return host.ToolChoice_Named(_text(name, "tool_choice"))
    raise ValueError(f"tool_choice is 'auto', 'none', 'required' or names a function, not {choice!r}")


def _response_format(form: object) -> host.ResponseFormat:
    form = plain(form)
    match form:
        case None | {"type": "text"}:
            return host.ResponseFormat_Text()
        case {"type": "json_object"}:
            return host.ResponseFormat_Json()
        case {"type": "json_schema", "json_schema": {"schema": schema, **rest}} | {
            "type": "json_schema",
            "schema": schema,
            **rest,
        }:
            name = _text(rest.get("name") or "answer", "a schema's name")
            return host.ResponseFormat_JsonSchema(host.JsonSchema(name, schema_text(schema)))
    raise ValueError(f"response_format has type text, json_object or json_schema, not {form!r}")


def schema_text(schema: object) -> str:
    """A JSON Schema as text, always the same for the same schema."""
    text = json.dumps(schema, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return _text(text, "schema")


def _text(value: object, what: str) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{what} is a str, not {type(value).__name__}")
    value.encode()
    return value


def _number(value: object, what: str) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{what} is a number, not {type(value).__name__}")
    return float(value)


def _count(value: object, what: str) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{what} is an int, not {type(value).__name__}")
    if not 0 <= value <= _U32_MAX:
        raise ValueError(f"{what} is {value}; it can be 0 to {_U32_MAX}")
    return value


def _list(value: object, what: str) -> list[object]:
    if isinstance(value, str | bytes | Mapping) or not isinstance(value, Iterable):
        raise TypeError(f"{what} is a list, not {type(value).__name__}")
    return list(value)


def _mapping(value: object, what: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise TypeError(f"{what} is a dict, not {type(value).__name__}")
    return value
