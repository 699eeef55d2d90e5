"""Names of `openai.types.chat`. What a script passes in is a dict by any of these names."""

from __future__ import annotations

from openai._parts import ChatCompletion, ChatCompletionChunk, ChatCompletionMessage, ChatCompletionMessageToolCall

__all__ = ["ChatCompletion", "ChatCompletionChunk", "ChatCompletionMessage", "ChatCompletionMessageToolCall"]


def __getattr__(name: str) -> type:
    if name[:1].isupper():
        return dict
    raise AttributeError(name)
