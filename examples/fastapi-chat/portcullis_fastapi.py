"""Portcullis' tokens in a FastAPI application: who asks, as a dependency, and refusals as problem+json.

    guard = Guard(portcullis, cookie_origins=["https://chat.example.org"])
    app = FastAPI(); install_problems(app, issuer)

    @app.post("/chat/stream")
    async def stream(caller: Annotated[Claims, Depends(guard)]): ...

A request is authenticated by `Authorization: Bearer` (or `Token`), or, if `cookie_origins` are given, by the cookie
that a sign-in with `"delivery": "cookies"` sets. Browsers send cookies by themselves, so an unsafe request by cookie
must show that a page of ours made it:

1. `Origin` (else the origin of `Referer`) is one of `cookie_origins`;
2. `X-CSRFToken` repeats the cookie `csrftoken`. Portcullis itself checks the MAC in that token; a service that has no
   key of Portcullis can only compare, and relies on the first half.
"""

from __future__ import annotations

import hmac
from collections.abc import Collection, Mapping
from urllib.parse import urlsplit

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from portcullis_auth import SAFE_METHODS, Claims, Portcullis, Problem

CODES = {
    400: "malformed_request",
    404: "not_found",
    405: "method_not_allowed",
    413: "body_too_large",
    415: "unsupported_media_type",
}


class Guard:
    """A dependency that lets in who may, and answers who that is."""

    def __init__(
        self, portcullis: Portcullis, *, cookie_origins: Collection[str] = (), changes_nothing: bool = False
    ) -> None:
        self._portcullis, self._origins = portcullis, frozenset(cookie_origins)
        self._changes_nothing = changes_nothing
        https = any(origin.startswith("https://") for origin in self._origins)
        self._cookie = "__Host-pc_access" if https else "pc_access"

    def reading(self) -> Guard:
        """The same for an operation that changes nothing whatever its method is: sessions that may only read may
        use it. Say so where the operation is documented."""
        return Guard(self._portcullis, cookie_origins=self._origins, changes_nothing=True)

    async def __call__(self, request: Request) -> Claims:
        token = bearer(request.headers.getlist("authorization"))
        if token is None:
            token = self._from_cookie(request)
        claims = await self._portcullis.verify(token)
        claims.allow(request.method, changes_nothing=self._changes_nothing)
        return claims

    def _from_cookie(self, request: Request) -> str:
        tokens = cookies(request, self._cookie) if self._origins else []
        if len(tokens) != 1:
            # Of two with one name nobody can tell who set which.
            raise Problem(401, "missing_token", "Send `Authorization: Bearer <token>`.", {"WWW-Authenticate": "Bearer"})
        if request.method not in SAFE_METHODS:
            self._check_csrf(request)
        return tokens[0]

    def _check_csrf(self, request: Request) -> None:
        headers = request.headers
        # Compared whole: `https://chat.example.org.evil.example` and `null` are other origins.
        ours = (headers.get("origin") or origin_of(headers.get("referer", ""))) in self._origins
        carried = cookies(request, "csrftoken")
        shown = headers.getlist("x-csrftoken")
        repeated = len(carried) == 1 and len(shown) == 1 and carried[0] != "" and equal(carried[0], shown[0])
        if not (ours and repeated):
            raise Problem(403, "csrf_failed", "Send the request from a page of ours, with `X-CSRFToken`.")


def bearer(headers: list[str]) -> str | None:
    """The token of `Authorization: Bearer <t>` or `Token <t>`, in any case; `None`: there is no such header."""
    if not headers:
        return None
    scheme, _, token = headers[0].partition(" ")
    if len(headers) > 1 or scheme.lower() not in ("bearer", "token") or not token or " " in token.strip(" "):
        challenge = {"WWW-Authenticate": 'Bearer error="invalid_request"'}
        raise Problem(401, "malformed_authorization", "Send exactly one `Authorization: Bearer <token>`.", challenge)
    return token.strip(" ")


def cookies(request: Request, name: str) -> list[str]:
    """All cookies of this name."""
    pairs = (pair.partition("=") for header in request.headers.getlist("cookie") for pair in header.split(";"))
    return [value.strip() for found, _, value in pairs if found.strip() == name]


def origin_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def equal(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())


def install_problems(app: FastAPI, issuer: str) -> None:
    """Makes every refusal of `app` an `application/problem+json` (RFC 9457) with a stable `code`."""

    def answer(problem: Problem, errors: list[dict[str, str]] | None = None) -> JSONResponse:
        body: dict[str, object] = {
            "type": f"{issuer.rstrip('/')}/docs/problems#{problem.code}",
            "title": problem.code.replace("_", " ").capitalize(),
            "status": problem.status,
            "detail": problem.detail,
            "code": problem.code,
        }
        if errors is not None:
            body["errors"] = errors
        headers = {"Cache-Control": "no-store", **problem.headers}
        return JSONResponse(body, problem.status, headers, media_type="application/problem+json")

    @app.exception_handler(Problem)
    async def refused(_: Request, problem: Problem) -> JSONResponse:
        return answer(problem)

    @app.exception_handler(HTTPException)
    async def by_the_framework(_: Request, error: HTTPException) -> JSONResponse:
        headers: Mapping[str, str] = error.headers or {}
        code = CODES.get(error.status_code, "malformed_request")
        return answer(Problem(error.status_code, code, str(error.detail), headers))

    @app.exception_handler(Exception)
    async def fault(_: Request, __: Exception) -> JSONResponse:
        return answer(Problem(500, "internal_error", "Something is wrong here. Try again."))

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        found = error.errors()
        if any(one["type"] == "json_invalid" for one in found):
            return answer(Problem(400, "malformed_json", "The body is not JSON."))
        fields = [
            # Never what was sent: it may be a secret.
            {"field": ".".join(str(part) for part in one["loc"][1:]), "code": one["type"], "message": one["msg"]}
            for one in found
        ]
        return answer(Problem(422, "validation_failed", "Mend the fields named in `errors`."), fields)
