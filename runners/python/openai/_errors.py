"""The exceptions of `openai`, by their names there, and which of them stands for what the host says."""

from __future__ import annotations

from coo_runner import chat


class OpenAIError(Exception):
    pass


class APIError(OpenAIError):
    status_code: int | None = None
    code: str | None = None
    param: str | None = None
    type: str | None = None

    def __init__(self, message: str, *args: object, **details: object) -> None:
        super().__init__(message)
        self.message = message
        self.body = details.get("body")
        self.request = details.get("request")
        self.response = details.get("response")


class APIStatusError(APIError):
    request_id: str | None = None


class APIConnectionError(APIError):
    def __init__(self, *, message: str = "Connection error.", **details: object) -> None:
        super().__init__(message, **details)


class APITimeoutError(APIConnectionError):
    pass


class APIResponseValidationError(APIError):
    """The answer is not what the request asked for: no JSON, or not of its schema."""

    status_code = 200


class BadRequestError(APIStatusError):
    status_code = 400


class AuthenticationError(APIStatusError):
    status_code = 401


class PermissionDeniedError(APIStatusError):
    status_code = 403


class NotFoundError(APIStatusError):
    status_code = 404


class ConflictError(APIStatusError):
    status_code = 409


class UnprocessableEntityError(APIStatusError):
    status_code = 422


class RateLimitError(APIStatusError):
    status_code = 429


class InternalServerError(APIStatusError):
    status_code = 500


class LengthFinishReasonError(OpenAIError):
    def __init__(self, *, completion: object) -> None:
        super().__init__("Could not parse response content as the length limit was reached")
        self.completion = completion


class ContentFilterFinishReasonError(OpenAIError):
    def __init__(self) -> None:
        super().__init__("Could not parse response content as the request was rejected by the content filter")


def of(error: chat.Error) -> APIError:
    """The exception that a script of the real package would see."""
    if isinstance(error, chat.Refused):
        return PermissionDeniedError(str(error))
    if isinstance(error, chat.Unfit):
        return APIResponseValidationError(str(error), body=error.answer.text)
    return BadRequestError(str(error))


for _class in list(globals().values()):
    # As tracebacks of the real package name them.
    if isinstance(_class, type) and issubclass(_class, OpenAIError):
        _class.__module__ = "openai"
