"""Names of `anthropic.types`, which scripts import for their annotations."""

from __future__ import annotations

from anthropic._parts import Message, TextBlock, ToolUseBlock, Usage

__all__ = ["Message", "TextBlock", "ToolUseBlock", "Usage"]


def __getattr__(name: str) -> type:
    if name[:1].isupper():
        return dict
    raise AttributeError(name)
