"""Stands for the package `anthropic`: calls of `messages` go to the model that the operator chose,
through `coo`. What a call has that `coo` has not raises `BadRequestError` and names it.
"""

from __future__ import annotations

from anthropic._client import Anthropic, AsyncAnthropic
from anthropic._errors import (
    AnthropicError,
    APIConnectionError,
    APIError,
    APIResponseValidationError,
    APIStatusError,
    APITimeoutError,
    AuthenticationError,
    BadRequestError,
    ConflictError,
    InternalServerError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    UnprocessableEntityError,
)

__version__ = "0.60.0+coo"

Client = Anthropic
AsyncClient = AsyncAnthropic
HUMAN_PROMPT = "\n\nHuman:"
AI_PROMPT = "\n\nAssistant:"


class NotGiven:
    def __bool__(self) -> bool:
        return False


NOT_GIVEN = None
