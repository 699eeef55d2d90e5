"""Results of `openai`, and the parameters of its calls as `coo` takes them."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Mapping
from typing import Any

from coo_runner import chat, schema
from coo_runner.objects import Result
from openai import _errors


class NotGiven:
    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return "NOT_GIVEN"


NOT_GIVEN = NotGiven()

#: Answers have no ids on record: these count the calls of the run.
_numbers = itertools.count(1)

#: Parameters that change nothing about the answer, or that the host decides.
IGNORED = frozenset(
    """extra_body extra_headers extra_query metadata prompt_cache_key prompt_cache_retention safety_identifier seed
    service_tier store timeout user verbosity""".split()
)
#: Parameters with the value that every call has here.
FIXED: dict[str, tuple[object, ...]] = {
    "n": (1,),
    "logprobs": (False,),
    "top_logprobs": (0,),
    "frequency_penalty": (0,),
    "presence_penalty": (0,),
    "logit_bias": ({},),
    "modalities": (["text"],),
    "parallel_tool_calls": (True,),
}


class ChatCompletion(Result):
    pass


class ChatCompletionChunk(Result):
    pass


class Choice(Result):
    pass


class ChoiceDelta(Result):
    pass


class ChatCompletionMessage(Result):
    pass


class ChatCompletionMessageToolCall(Result):
    pass


class Function(Result):
    pass


class CompletionUsage(Result):
    pass


class Response(Result):
    @property
    def output_text(self) -> str:
        return "".join(part.text for item in self.output if item.type == "message" for part in item.content)


def call_of(parameters: Mapping[str, Any]) -> chat.Call:
    """The call that these parameters of `chat.completions.create` ask for."""
    given = {name: value for name, value in parameters.items() if value is not None and value is not NOT_GIVEN}
    given.pop("stream", None)
    given.pop("stream_options", None)
    if "max_completion_tokens" in given:
        given["max_tokens"] = given.pop("max_completion_tokens")
    if "response_format" in given:
        given["response_format"] = response_format(given["response_format"])
    check_rest(given, chat.Call.__dataclass_fields__)
    if "messages" not in given:
        raise TypeError("Missing required arguments; Expected 'messages' and 'model' arguments to be given")
    return chat.Call(**{name: value for name, value in given.items() if name in chat.Call.__dataclass_fields__})


def check_rest(given: Mapping[str, Any], taken: Mapping[str, Any]) -> None:
    for name, value in given.items():
        if name in taken or name in IGNORED or any(value == fixed for fixed in FIXED.get(name, ())):
            continue
        raise _errors.BadRequestError(f"{name}: coo's model calls do not have it ({value!r} asked)")


def response_format(form: Any) -> Any:
    if not isinstance(form, type) or isinstance(form, Mapping):
        return form
    return {"type": "json_schema", "json_schema": {"name": form.__name__, "schema": schema.of(form), "strict": True}}


def request_of(call: chat.Call) -> chat.Request:
    try:
        return chat.request(call)
    except ValueError as error:
        raise _errors.BadRequestError(str(error)) from error


def completion_of(answer: chat.Answer) -> ChatCompletion:
    message = ChatCompletionMessage(
        content=answer.text or (None if answer.tool_calls else ""),
        refusal=None,
        role="assistant",
        annotations=None,
        audio=None,
        function_call=None,
        tool_calls=_tool_calls(answer) or None,
    )
    choice = Choice(finish_reason=_finish(answer), index=0, logprobs=None, message=message)
    return ChatCompletion(
        id=f"chatcmpl-{next(_numbers):06}",
        choices=[choice],
        created=int(time.time()),
        model=answer.model,
        object="chat.completion",
        service_tier=None,
        system_fingerprint=None,
        usage=_usage(answer),
    )


def parse(completion: ChatCompletion, form: Any) -> ChatCompletion:
    """Adds `parsed` to the message, and to the arguments of tool calls."""
    choice = completion.choices[0]
    if choice.finish_reason == "length":
        raise _errors.LengthFinishReasonError(completion=completion)
    if choice.finish_reason == "content_filter":
        raise _errors.ContentFilterFinishReasonError()
    message = choice.message
    for call in message.tool_calls or ():
        call.function.parsed_arguments = json.loads(call.function.arguments)
    message.parsed = None
    if isinstance(form, type) and message.content:
        message.parsed = schema.build(form, json.loads(message.content))
    elif form is not None and message.content:
        message.parsed = json.loads(message.content)
    return completion


def chunks_of(completion: ChatCompletion, with_usage: bool) -> list[ChatCompletionChunk]:
    """The whole answer as one chunk, and the chunks that close a stream."""
    message, choice = completion.choices[0].message, completion.choices[0]
    calls = [
        Result(index=index, id=call.id, type="function", function=call.function)
        for index, call in enumerate(message.tool_calls or ())
    ]
    whole = ChoiceDelta(
        content=message.content, function_call=None, refusal=None, role="assistant", tool_calls=calls or None
    )
    nothing = ChoiceDelta(content=None, function_call=None, refusal=None, role=None, tool_calls=None)
    choices = [
        [Choice(delta=whole, finish_reason=None, index=0, logprobs=None)],
        [Choice(delta=nothing, finish_reason=choice.finish_reason, index=0, logprobs=None)],
    ]
    if with_usage:
        choices.append([])
    return [
        ChatCompletionChunk(
            id=completion.id,
            choices=each,
            created=completion.created,
            model=completion.model,
            object="chat.completion.chunk",
            service_tier=None,
            system_fingerprint=None,
            usage=completion.usage if not each else None,
        )
        for each in choices
    ]


def response_of(answer: chat.Answer) -> Response:
    """The result of `responses.create`."""
    number = next(_numbers)
    output: list[Result] = []
    if answer.text or not answer.tool_calls:
        part = Result(type="output_text", text=answer.text, annotations=[])
        output.append(
            Result(id=f"msg_{number:06}", type="message", role="assistant", status="completed", content=[part])
        )
    for call in answer.tool_calls:
        output.append(
            Result(
                id=f"fc_{call.id}",
                type="function_call",
                call_id=call.id,
                name=call.name,
                arguments=call.arguments,
                status="completed",
            )
        )
    usage = answer.usage
    total = (usage.prompt_tokens or 0) + (usage.completion_tokens or 0)
    return Response(
        id=f"resp_{number:06}",
        created_at=float(int(time.time())),
        error=None,
        model=answer.model,
        object="response",
        output=output,
        status="incomplete" if answer.finish_reason == "length" else "completed",
        usage=Result(input_tokens=usage.prompt_tokens, output_tokens=usage.completion_tokens, total_tokens=total),
    )


def _tool_calls(answer: chat.Answer) -> list[ChatCompletionMessageToolCall]:
    return [
        ChatCompletionMessageToolCall(
            id=call.id, function=Function(arguments=call.arguments, name=call.name), type="function"
        )
        for call in answer.tool_calls
    ]


def _finish(answer: chat.Answer) -> str:
    return "stop" if answer.finish_reason == "other" else answer.finish_reason


def _usage(answer: chat.Answer) -> CompletionUsage | None:
    prompt, completion = answer.usage.prompt_tokens, answer.usage.completion_tokens
    if prompt is None and completion is None:
        return None
    return CompletionUsage(
        completion_tokens=completion or 0,
        prompt_tokens=prompt or 0,
        total_tokens=(prompt or 0) + (completion or 0),
        completion_tokens_details=None,
        prompt_tokens_details=None,
    )
