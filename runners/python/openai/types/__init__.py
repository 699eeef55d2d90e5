"""Names of `openai.types`, which scripts import for their annotations."""

from __future__ import annotations

from openai._parts import CompletionUsage

__all__ = ["CompletionUsage"]


def __getattr__(name: str) -> type:
    if name[:1].isupper():
        return dict
    raise AttributeError(name)
