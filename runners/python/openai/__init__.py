"""Stands for the package `openai`: chat calls go to the model that the operator chose, through `coo`.

What a call has that `coo` has not raises `BadRequestError` and names it. Keys, addresses and timeouts
are taken and not used: they are the host's.
"""

from __future__ import annotations

from openai._client import AsyncOpenAI, OpenAI
from openai._errors import (
    APIConnectionError,
    APIError,
    APIResponseValidationError,
    APIStatusError,
    APITimeoutError,
    AuthenticationError,
    BadRequestError,
    ConflictError,
    ContentFilterFinishReasonError,
    InternalServerError,
    LengthFinishReasonError,
    NotFoundError,
    OpenAIError,
    PermissionDeniedError,
    RateLimitError,
    UnprocessableEntityError,
)
from openai._parts import NOT_GIVEN, NotGiven

__version__ = "2.0.0+coo"

Client = AzureOpenAI = OpenAI
AsyncClient = AsyncAzureOpenAI = AsyncOpenAI
Stream = object
AsyncStream = object

#: Set by scripts of the older style, and not used.
api_key: str | None = None
base_url: str | None = None
organization: str | None = None


def __getattr__(name: str) -> object:
    # The client of the module itself: openai.chat.completions.create(…).
    if name in ("chat", "responses", "beta", "embeddings", "images", "audio", "files", "models", "moderations"):
        return getattr(OpenAI(), name)
    raise AttributeError(f"module 'openai' has no attribute {name!r}; coo's stand-in has chat calls")
