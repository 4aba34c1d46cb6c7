"""What a request is refused with: an HTTP status and a sentence."""

from __future__ import annotations

from typing import Any

from starlette.exceptions import HTTPException


class Refused(HTTPException):
    """A request that is not answered with a transcript.

    Args:
        status: of HTTP.
        message: what was found and what was expected, in one sentence or two.
        param: the field of the request that is at fault.
        headers: of the answer.
    """

    def __init__(
        self,
        status: int,
        message: str,
        param: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(status, message, headers)
        self.param = param


_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
}


def as_json(status: int, message: str, param: str | None = None) -> dict[str, Any]:
    """The body of an answer: `error` as OpenAI has it, `code` as the published server had it."""
    kind = _TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")
    # Messages of the scripts have no full stop; here they are sentences beside others.
    message = message if message.endswith((".", "!", "?")) else f"{message}."
    error = {"message": message, "type": kind, "param": param, "code": None}
    return {"error": error, "code": status}


def busy(seconds: int) -> Refused:
    """The refusal of a request for which there is no room now.

    Args:
        seconds: after which it may be sent again.
    """
    return Refused(
        429,
        f"The server has as many requests as it takes. Try again in {seconds} s.",
        headers={"Retry-After": str(seconds)},
    )
