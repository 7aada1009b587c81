"""An issuer that does as it is told, and the chat on a real port: streams cannot be tested without one."""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Any

import httpx
import jwt
import pytest
import uvicorn
from cryptography.hazmat.primitives.asymmetric import ec
from fastapi import FastAPI

from portcullis_auth import Portcullis, hashed

ISSUER = "https://auth.example.org"
PATIENCE = 20.0
"""Seconds after which a test that waits has failed."""


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def issuer() -> FakeIssuer:
    return FakeIssuer()


class FakeIssuer(httpx.AsyncBaseTransport):
    """Answers as Portcullis does."""

    def __init__(self) -> None:
        self.keys: dict[str, ec.EllipticCurvePrivateKey] = {}
        self.down = False
        self.stuck = False
        self.key_fetches = 0
        self.page = 1_000
        self.entries: list[dict[str, Any]] = []
        self.asked: list[dict[str, str]] = []
        self._changed = asyncio.Event()
        self.kid = self.rotate()

    def rotate(self) -> str:
        self.kid = f"key-{len(self.keys)}"
        self.keys[self.kid] = ec.generate_private_key(ec.SECP256R1())
        return self.kid

    def jwk(self, kid: str) -> dict[str, Any]:
        jwk: dict[str, Any] = jwt.algorithms.ECAlgorithm.to_jwk(self.keys[kid].public_key(), as_dict=True)
        return {**jwk, "kid": kid, "alg": "ES256", "use": "sig"}

    def token(self, *, headers: dict[str, Any] | None = None, key: Any = None, **changes: Any) -> str:
        """A token; a claim that is `None` is left out."""
        now = int(time.time())
        claims = {
            "iss": ISSUER,
            "sub": "ada",
            "aud": [ISSUER],
            "exp": now + 900,
            "iat": now,
            "nbf": now,
            "jti": str(uuid.uuid4()),
            "sid": "0190163d-8694-739b-aea5-966c26f8ad90",
            "gen": 1,
            "role": "user",
            "account": "acme",
            **changes,
        }
        header = {"typ": "at+jwt", "kid": self.kid, **(headers or {})}
        claims = {name: value for name, value in claims.items() if value is not None}
        if header["kid"] is None:
            del header["kid"]
        return jwt.encode(claims, key or self.keys[self.kid], header.get("alg", "ES256"), header)

    def revoke(self, sid: str, upto: int | None = None, exp: float | None = None) -> None:
        entry: dict[str, Any] = {"id": hashed(sid), "exp": int(exp or time.time() + 1_000)}
        self.entries.append(entry if upto is None else {**entry, "upto": upto})
        self.wake()

    def wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if self.down:
            raise httpx.ConnectError("down")
        if request.url.path == "/.well-known/jwks.json":
            self.key_fetches += 1
            return httpx.Response(200, json={"keys": [self.jwk(kid) for kid in self.keys]})
        assert request.url.path == "/.well-known/portcullis/revocations"
        params = dict(request.url.params)
        self.asked.append(params)
        return await self._revocations(params)

    async def _revocations(self, params: dict[str, str]) -> httpx.Response:
        if self.stuck:
            return httpx.Response(200, json={"cursor": "stuck", "complete": True, "sessions": self.entries})
        known = int(params.get("after", "0"))
        if "after" in params and known == len(self.entries):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(float(params.get("wait", "0"))):
                    await self._changed.wait()
            if self.down:
                raise httpx.ReadError("down")
        until = min(known + self.page, len(self.entries))
        answer: dict[str, Any] = {"cursor": str(until), "complete": False, "sessions": self.entries[known:until]}
        if until < len(self.entries):
            answer["more"] = True
        elif "after" not in params:
            answer["complete"] = True
        return httpx.Response(200, json=answer)

    def verifier(self, **settings: Any) -> Portcullis:
        return Portcullis(ISSUER, transport=self, **{"leeway": 0, **settings})


async def until(done: Callable[[], bool]) -> None:
    """Waits until `done` says so."""
    async with asyncio.timeout(PATIENCE):
        while not done():
            await asyncio.sleep(0.005)


@contextlib.asynccontextmanager
async def serving(app: FastAPI) -> AsyncGenerator[httpx.AsyncClient]:
    """Serves `app` on a free port."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning", timeout_graceful_shutdown=1))
    running = asyncio.create_task(server.serve())
    await until(lambda: server.started or running.done())
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE) as client:
            yield client
    finally:
        server.should_exit = True
        await running


class Stream:
    """Server-sent events of one response, one after the other."""

    def __init__(self, response: httpx.Response) -> None:
        self.status = response.status_code
        self.headers = response.headers
        self._lines = response.aiter_lines()

    async def next(self) -> dict[str, str]:
        event: dict[str, str] = {}
        async with asyncio.timeout(PATIENCE):
            async for line in self._lines:
                if not line and event:
                    return event
                name, _, value = line.partition(": ")
                if name:
                    event[name] = value
        raise EOFError


class Speaker:
    """Replies to each message what it is told to, and ends with `None`."""

    def __init__(self) -> None:
        self._words: dict[str, asyncio.Queue[str | None]] = {}

    def words(self, message: str) -> asyncio.Queue[str | None]:
        return self._words.setdefault(message, asyncio.Queue())

    def say(self, message: str, *words: str | None) -> None:
        for word in words:
            self.words(message).put_nowait(word)

    async def __call__(self, message: str) -> AsyncIterator[str]:
        while (word := await self.words(message).get()) is not None:
            yield word


@contextlib.asynccontextmanager
async def streaming(
    client: httpx.AsyncClient, token: str, message: str | None = None, last_event_id: str | None = None
) -> AsyncIterator[Stream]:
    headers = {"authorization": f"Bearer {token}"}
    if last_event_id is not None:
        headers["last-event-id"] = last_event_id
    body = None if message is None else {"message": message}
    async with client.stream("POST", "/chat/stream", headers=headers, json=body) as response:
        yield Stream(response)
