"""A host for tests: the modules that componentize-py generates, with the same names and records.

Importing this module puts them in place. Model calls are answered by `host.answer`.
"""

from __future__ import annotations

import enum
import sys
import types
from collections.abc import Callable
from dataclasses import dataclass, make_dataclass
from typing import Any


@dataclass
class Ok:
    value: Any


@dataclass
class Err(Exception):
    value: Any


def _record(name: str, *fields: str) -> type:
    return make_dataclass(name, fields)


llm = types.ModuleType("wit_world.imports.llm")
for _name, _fields in {
    "Image": "media_type content",
    "UserMessage": "text images",
    "ToolCall": "id name arguments",
    "AssistantMessage": "text tool_calls",
    "ToolMessage": "call_id text",
    "ChatMessage_System": "value",
    "ChatMessage_User": "value",
    "ChatMessage_Assistant": "value",
    "ChatMessage_Tool": "value",
    "Tool": "name description parameters strict",
    "ToolChoice_Auto": "",
    "ToolChoice_None_": "",
    "ToolChoice_Required": "",
    "ToolChoice_Named": "value",
    "JsonSchema": "name schema",
    "ResponseFormat_Text": "",
    "ResponseFormat_Json": "",
    "ResponseFormat_JsonSchema": "value",
    "ChatRequest": "messages model temperature top_p max_tokens stop tools tool_choice response_format",
    "ChatCompletion": "text tool_calls model finish_reason usage",
    "Usage": "prompt_tokens completion_tokens",
    "UnfitAnswer": "reason completion",
    "ChatError_Refused": "value",
    "ChatError_Rejected": "value",
    "ChatError_Unfit": "value",
}.items():
    setattr(llm, _name, _record(_name, *_fields.split()))
llm.ChatFinishReason = enum.Enum("ChatFinishReason", "STOP LENGTH CONTENT_FILTER OTHER TOOL_CALLS")

#: All calls so far, in the order in which the host got them; one list for each time it was asked.
asked: list[list[Any]] = []
answer: Callable[[Any], Any]


def completion(text: str, tool_calls: tuple[Any, ...] = ()) -> Ok:
    reason = llm.ChatFinishReason.TOOL_CALLS if tool_calls else llm.ChatFinishReason.STOP
    return Ok(llm.ChatCompletion(text, list(tool_calls), "test/model", reason, llm.Usage(3, 2)))


def _complete_many(requests: list[Any]) -> list[Any]:
    # As records are copied at the boundary.
    asked.append([llm.ChatRequest(**vars(request)) for request in requests])
    return [answer(request) for request in requests]


llm.complete_many = _complete_many
imports = types.ModuleType("wit_world.imports")
imports.llm = llm
world = types.ModuleType("wit_world")
world.imports = imports
kinds = types.ModuleType("componentize_py_types")
kinds.Ok, kinds.Err = Ok, Err
sys.modules.update(
    {"wit_world": world, "wit_world.imports": imports, "wit_world.imports.llm": llm, "componentize_py_types": kinds}
)
