"""A chat that streams its replies, and stops streaming when the session ends.

`POST /chat/stream {"message": "…"}` answers with server-sent events:

    id: 4f6c…-0          the reply and the place in it, for `Last-Event-ID`
    event: word
    data: {"text": "Hello"}

and at the end always `event: end` with a reason:

| reason            | then                                                                                    |
|-------------------|-----------------------------------------------------------------------------------------|
| `done`            | the reply is complete                                                                   |
| `token_expired`   | refresh, and resume                                                                     |
| `session_revoked` | refresh, and resume; if the refresh is refused, sign in                                 |
| `unavailable`     | it cannot be known whether the session lives: resume in a moment                        |

To resume, send `POST /chat/stream` with `Last-Event-ID` (and no message): the reply goes on where it was. It was being
written all the time.
"""

import asyncio
import contextlib
import json
import os
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Annotated

from fastapi import Depends, FastAPI, Header
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from portcullis_auth import Claims, Portcullis, Problem
from portcullis_fastapi import Guard, install_problems

KEEP_ALIVE = 15.0
"""Seconds without a word after which a comment tells proxies that the stream lives."""

MOST_REPLIES = 20
"""Replies of one user that are kept to be resumed."""

Speaker = Callable[[str], AsyncIterator[str]]


async def echo(message: str) -> AsyncGenerator[str]:
    """Where a language model would be."""
    for word in f"You said: {message}".split():
        yield word
        await asyncio.sleep(0.2)


class Reply:
    """A reply that is being written, whoever reads it."""

    def __init__(self, words: AsyncIterator[str]) -> None:
        self.id = secrets.token_hex(8)
        self.words: list[str] = []
        self.complete = False
        self._more = asyncio.Event()
        self.writing = asyncio.create_task(self._write(words))

    async def _write(self, words: AsyncIterator[str]) -> None:
        try:
            async for word in words:
                self.words.append(word)
                self._tell()
        finally:
            self.complete = True
            self._tell()

    def _tell(self) -> None:
        self._more.set()
        self._more = asyncio.Event()

    @property
    def more(self) -> asyncio.Event:
        """Is set when something happens after now."""
        return self._more


class Replies:
    """The last replies to each user."""

    def __init__(self) -> None:
        self._of: dict[str, dict[str, Reply]] = {}

    def add(self, user: str, reply: Reply) -> None:
        own = self._of.setdefault(user, {})
        own[reply.id] = reply
        if len(own) > MOST_REPLIES:
            own.pop(next(iter(own))).writing.cancel()

    def find(self, user: str, last_event_id: str) -> tuple[Reply, int]:
        """The reply and the place behind an event. What belongs to others is not there."""
        id, _, place = last_event_id.partition("-")
        reply = self._of.get(user, {}).get(id)
        if reply is None or not place.isascii() or not place.isdigit() or int(place) >= len(reply.words):
            raise Problem(404, "not_found", "There is no such reply of yours.")
        return reply, int(place) + 1

    def search(self, user: str, text: str) -> list[str]:
        said = (" ".join(reply.words) for reply in self._of.get(user, {}).values())
        return [one for one in said if text.lower() in one.lower()]

    def close(self) -> None:
        for own in self._of.values():
            for reply in own.values():
                reply.writing.cancel()


async def events(portcullis: Portcullis, claims: Claims, reply: Reply, place: int) -> AsyncGenerator[str]:
    """The stream, which ends with the reply or with the token, whatever comes first."""
    dead = asyncio.create_task(portcullis.until_dead(claims))
    try:
        while True:
            # Asked before every word: what is known to be revoked gets none.
            if (death := portcullis.death(claims)) is not None:
                yield event("end", {"reason": death.value})
                return
            if place < len(reply.words):
                yield event("word", {"text": reply.words[place]}, f"{reply.id}-{place}")
                place += 1
            elif reply.complete:
                yield event("end", {"reason": "done"})
                return
            else:
                more = asyncio.create_task(reply.more.wait())
                done, _ = await asyncio.wait({dead, more}, timeout=KEEP_ALIVE, return_when=asyncio.FIRST_COMPLETED)
                more.cancel()
                if not done:
                    yield ": still here\n\n"
    finally:
        dead.cancel()


def event(name: str, data: dict[str, str], id: str | None = None) -> str:
    head = f"id: {id}\n" if id else ""
    return f"{head}event: {name}\ndata: {json.dumps(data)}\n\n"


class Say(BaseModel):
    message: str = Field(min_length=1, max_length=4_000)


class Search(BaseModel):
    text: str = Field(min_length=1, max_length=200)


def create_app(portcullis: Portcullis, *, speaker: Speaker = echo, cookie_origins: tuple[str, ...] = ()) -> FastAPI:
    replies = Replies()

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
        async with portcullis:
            yield
        replies.close()

    app = FastAPI(title="Chat", lifespan=lifespan)
    install_problems(app, portcullis.issuer)
    guard = Guard(portcullis, cookie_origins=cookie_origins)

    @app.get("/me")
    async def me(caller: Annotated[Claims, Depends(guard)]) -> dict[str, str | None]:
        """Who the token says you are."""
        return {"user": caller.sub, "role": caller.role, "account": caller.account}

    @app.post("/chat/stream")
    async def stream(
        caller: Annotated[Claims, Depends(guard)],
        say: Say | None = None,
        last_event_id: Annotated[str | None, Header()] = None,
    ) -> StreamingResponse:
        """Says something and streams the reply, or, with `Last-Event-ID`, the rest of one."""
        if last_event_id is not None:
            reply, place = replies.find(caller.sub, last_event_id)
        elif say is not None:
            reply, place = Reply(speaker(say.message)), 0
            replies.add(caller.sub, reply)
        else:
            raise Problem(400, "malformed_request", "Send a message, or `Last-Event-ID`.")
        # Proxies must neither keep a stream nor hold it back.
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(events(portcullis, caller, reply, place), 200, headers, "text/event-stream")

    @app.post("/chat/search")
    async def search(caller: Annotated[Claims, Depends(guard.reading())], search: Search) -> dict[str, list[str]]:
        """Replies that hold a text. Changes nothing, so sessions that may only read may use it, POST or not."""
        return {"replies": replies.search(caller.sub, search.text)}

    return app


def from_environment() -> FastAPI:
    """For `uvicorn --factory main:from_environment`."""
    issuer = os.environ.get("PORTCULLIS_ISSUER", "http://localhost:8400")
    origins = os.environ.get("CHAT_COOKIE_ORIGINS", "")
    portcullis = Portcullis(issuer, os.environ.get("PORTCULLIS_AUDIENCE"), url=os.environ.get("PORTCULLIS_URL"))
    return create_app(portcullis, cookie_origins=tuple(part.strip() for part in origins.split(",") if part.strip()))
