"""Checks Portcullis' access tokens, without asking Portcullis per request.

Nothing in here knows a web framework. The life of a verifier:

    async with Portcullis("https://auth.example.org") as portcullis:
        claims = await portcullis.verify(token)      # signature, claims, revocation; or a Problem
        reason = await portcullis.until_dead(claims)  # for streams: waits until the token must not be used any more

Keys are fetched once, and again for an unknown `kid`. Revocations are followed in the background, as
docs/revocations.md says.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import logging
import random
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Self

import httpx
import jwt

log = logging.getLogger("portcullis")

ALGORITHMS = frozenset({"ES256", "RS256", "EdDSA"})
"""What a public key may be for. Never HS256: with it, whoever can check a token can make one."""

WAIT = 30
"""Seconds a request for revocations may wait at the server."""

IDLE = 0.5
"""Seconds before an answer that brought nothing new is asked for again."""

KEYS_PAUSE = 10.0
"""Seconds between two fetches of the keys: tokens with made-up key ids must not become requests."""

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class Problem(Exception):
    """A refusal in the form of RFC 9457, with the codes of Portcullis."""

    def __init__(self, status: int, code: str, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(f"{status} {code}: {detail}")
        self.status, self.code, self.detail = status, code, detail
        self.headers = dict(headers or {})

    @classmethod
    def invalid_token(cls) -> Self:
        """One answer for unknown, forged, expired and revoked: it tells an attacker nothing."""
        challenge = {"WWW-Authenticate": 'Bearer error="invalid_token"'}
        return cls(401, "invalid_token", "This token is not accepted. Refresh it, or sign in again.", challenge)

    @classmethod
    def unavailable(cls, code: str) -> Self:
        """A fault of the service or the issuer: never a 401, which would sign people out."""
        return cls(503, code, "Tokens cannot be checked now. Try again.", {"Retry-After": "2"})


class Death(StrEnum):
    """Why a token that was good is not any more."""

    EXPIRED = "token_expired"
    REVOKED = "session_revoked"
    UNKNOWN = "unavailable"
    """There is no telling: nothing has been heard of revocations for too long."""


@dataclass(frozen=True, slots=True)
class Claims:
    """Who asks."""

    sub: str
    sid: str
    gen: int
    exp: int
    role: str | None
    account: str | None
    read_only: bool
    pwd_change: bool
    all: Mapping[str, Any] = field(repr=False)

    @classmethod
    def read(cls, claims: Mapping[str, Any]) -> Self:
        def text(name: str) -> str | None:
            value = claims.get(name)
            return value if isinstance(value, str) and value else None

        def number(name: str) -> int | None:
            value = claims.get(name)
            return value if isinstance(value, int) and not isinstance(value, bool) else None

        sub, sid, gen, exp = text("sub"), text("sid"), number("gen"), number("exp")
        if sub is None or sid is None or gen is None or exp is None:
            raise Problem.invalid_token()
        return cls(
            sub=sub,
            sid=sid,
            gen=gen,
            exp=exp,
            role=text("role"),
            account=text("account"),
            # Whatever is there and is not `false` restricts.
            read_only=claims.get("read_only", False) is not False,
            pwd_change=claims.get("pwd_change", False) is not False,
            all=claims,
        )

    def allow(self, method: str, *, changes_nothing: bool = False) -> None:
        """Refuses what this token may not do, whatever its user may."""
        if self.pwd_change:
            raise Problem(403, "password_change_required", "Choose a new password first.")
        if self.read_only and method not in SAFE_METHODS and not changes_nothing:
            raise Problem(403, "read_only_session", "This session may only read.")


class Keys:
    """The issuer's public keys (RFC 7517)."""

    def __init__(self, http: httpx.AsyncClient, url: str) -> None:
        self._http, self._url = http, url
        self._keys: dict[str, jwt.PyJWK] = {}
        self._tried = -KEYS_PAUSE
        self._good_until = 0.0
        self._failed = True
        self._turn = asyncio.Lock()

    async def get(self, kid: str) -> jwt.PyJWK:
        key = self._keys.get(kid)
        if key is None:
            await self.fetch()
            key = self._keys.get(kid)
        if key is not None:
            return key
        if self._failed:
            # It may be a new key that we cannot get.
            raise Problem.unavailable("key_unavailable")
        raise Problem.invalid_token()

    async def fetch(self) -> None:
        """Fetches the keys, unless that was done a moment ago. Old ones are good until there are new ones."""
        async with self._turn:
            if time.monotonic() - self._tried < KEYS_PAUSE:
                return
            self._tried = time.monotonic()
            try:
                response = await self._http.get(self._url)
                response.raise_for_status()
                self._keys = read_keys(response.json())
                self._failed = False
                self._good_until = time.monotonic() + max_age(response.headers.get("cache-control", ""))
            except (httpx.HTTPError, ValueError, KeyError, TypeError, AttributeError) as error:
                self._failed = True
                log.warning("the keys cannot be fetched: %s", error)

    async def keep_fresh(self) -> None:
        """Fetches keys that are too old: a key that was withdrawn must go."""
        if time.monotonic() >= self._good_until:
            await self.fetch()


def read_keys(jwks: Any) -> dict[str, jwt.PyJWK]:
    """Keys that we can use, by `kid`; others are not for us."""
    keys = {}
    for jwk in jwks["keys"]:
        if jwk.get("alg") in ALGORITHMS and jwk.get("use", "sig") == "sig" and isinstance(jwk.get("kid"), str):
            with contextlib.suppress(jwt.PyJWTError):
                keys[jwk["kid"]] = jwt.PyJWK(jwk)
    return keys


def max_age(cache_control: str) -> float:
    found = re.search(r"\bmax-age=(\d+)", cache_control)
    return float(found[1]) if found else 300.0


class Revocations:
    """Sessions whose tokens are dead, followed in the background."""

    def __init__(self, http: httpx.AsyncClient, url: str) -> None:
        self._http, self._url = http, url
        self._entries: dict[str, tuple[int | None, int]] = {}
        """By hashed `sid`: up to which generation (`None`: all), and when to forget."""
        self._cursor: str | None = None
        self._asked: float | None = None
        """When the last request that was answered was sent, by a clock that nobody sets. `None`: never all."""
        self._grown = asyncio.Event()

    def revokes(self, claims: Claims) -> bool:
        entry = self._entries.get(hashed(claims.sid))
        return entry is not None and (entry[0] is None or claims.gen <= entry[0])

    def staleness(self) -> float:
        """For how many seconds nothing has been heard."""
        return float("inf") if self._asked is None else time.monotonic() - self._asked

    async def grown(self, timeout: float) -> None:
        """Waits until the list has grown, or for `timeout` seconds."""
        # Not `wait_for`, which in Python 3.11 may swallow a cancellation.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self._grown.wait()

    async def ask(self) -> float:
        """Asks once; for how many seconds to pause before the next time."""
        params = {} if self._cursor is None else {"after": self._cursor, "wait": str(WAIT)}
        asked = time.monotonic()
        response = await self._http.get(self._url, params=params, timeout=httpx.Timeout(10, read=WAIT + 5))
        if response.status_code != 200:
            raise httpx.HTTPStatusError(f"{response.status_code}", request=response.request, response=response)
        before = self._cursor
        more = self._take(response.json())
        if not more:
            # What was told is as old as the question at the most.
            self._asked = asked
        pause = response.headers.get("retry-after", "")
        if pause.isdigit():
            return min(float(pause), 60.0)
        # An answer that leads no further and did not wait either: again in a moment, not without end.
        leads_nowhere = self._cursor == before and time.monotonic() - asked < IDLE
        return IDLE if leads_nowhere else 0.0

    def _take(self, answer: Any) -> bool:
        """Merges an answer; whether there is more. An entry is never taken back."""
        cursor = answer["cursor"]
        if not isinstance(cursor, str):
            raise TypeError("a cursor is text")
        for entry in answer["sessions"]:
            upto = entry.get("upto")
            exp = int(entry["exp"])
            known = self._entries.get(entry["id"])
            if known is not None:
                upto = None if upto is None or known[0] is None else max(upto, known[0])
                exp = max(exp, known[1])
            self._entries[entry["id"]] = (upto, exp)
        self._cursor = cursor
        if answer["sessions"]:
            self._grown.set()
            self._grown = asyncio.Event()
        return answer.get("more") is True

    def forget(self, now: float) -> None:
        self._entries = {id: entry for id, entry in self._entries.items() if entry[1] > now}


def hashed(sid: str) -> str:
    """What the feed calls a session."""
    return base64.urlsafe_b64encode(hashlib.sha256(sid.encode()).digest()).rstrip(b"=").decode()


class Portcullis:
    """Checks tokens of one issuer.

    `issuer` is what tokens say; `url`, where it is reached, if not there. `max_staleness`: seconds without news of
    revocations after which tokens are answered 503 – or, with `serve_stale`, go on being checked against what is
    known. Without any list at all it is always 503.
    """

    def __init__(
        self,
        issuer: str,
        audience: str | None = None,
        *,
        url: str | None = None,
        max_staleness: float = 120.0,
        serve_stale: bool = False,
        leeway: int = 5,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.issuer, self.audience = issuer, audience or issuer
        self._max_staleness, self._serve_stale, self._leeway = max_staleness, serve_stale, leeway
        base = (url or issuer).rstrip("/")
        # Redirects are not followed: keys come from where we were told, and from nowhere else.
        self._http = httpx.AsyncClient(timeout=10, follow_redirects=False, transport=transport)
        self.keys = Keys(self._http, f"{base}/.well-known/jwks.json")
        self.revocations = Revocations(self._http, f"{base}/.well-known/portcullis/revocations")
        self._following: asyncio.Task[None] | None = None
        self._backoff = 1.0

    async def __aenter__(self) -> Self:
        # Tried once here, so that the first request finds both; if the issuer is down, the task goes on trying.
        await self.keys.fetch()
        pause = await self._ask()
        self._following = asyncio.create_task(self._follow(pause))
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._following is not None:
            self._following.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._following
        await self._http.aclose()

    async def _follow(self, pause: float) -> None:
        while True:
            await asyncio.sleep(pause)
            pause = await self._ask()
            self.revocations.forget(time.time())
            await self.keys.keep_fresh()

    async def _ask(self) -> float:
        """Asks for revocations once; for how many seconds to pause before the next time."""
        try:
            pause = await self.revocations.ask()
            self._backoff = 1.0
        except (httpx.HTTPError, ValueError, KeyError, TypeError, AttributeError) as error:
            pause = self._backoff * random.uniform(0.75, 1.25)
            self._backoff = min(self._backoff * 2, 30.0)
            log.warning("revocations cannot be followed, trying again in %.1f s: %s", pause, error)
        return pause

    async def verify(self, token: str) -> Claims:
        """Whose token this is. Raises a `Problem` if it is not accepted, or if there is no telling."""
        try:
            header = jwt.get_unverified_header(token)
        except jwt.PyJWTError:
            raise Problem.invalid_token() from None
        kid, typ = header.get("kid"), header.get("typ")
        if not isinstance(kid, str) or not isinstance(typ, str):
            raise Problem.invalid_token()
        # RFC 9068 section 4. An ID token or a logout token of the same issuer is no access token.
        if typ.lower().removeprefix("application/") != "at+jwt":
            raise Problem.invalid_token()
        key = await self.keys.get(kid)
        try:
            claims = jwt.decode(
                token,
                key,
                # The key says what it is for, the token has no choice.
                algorithms=[key.algorithm_name],
                issuer=self.issuer,
                audience=self.audience,
                leeway=self._leeway,
                options={"require": ["iss", "sub", "aud", "exp", "iat", "sid", "gen"]},
            )
        except jwt.PyJWTError:
            raise Problem.invalid_token() from None
        read = Claims.read(claims)
        match self.death(read):
            case None:
                return read
            case Death.UNKNOWN:
                raise Problem.unavailable("store_unavailable")
            case Death.EXPIRED | Death.REVOKED:
                raise Problem.invalid_token()

    def death(self, claims: Claims) -> Death | None:
        """Why these claims must not be used any more; `None`: they may."""
        if self.revocations.revokes(claims):
            return Death.REVOKED
        if time.time() >= claims.exp + self._leeway:
            return Death.EXPIRED
        staleness = self.revocations.staleness()
        if staleness == float("inf") or (staleness > self._max_staleness and not self._serve_stale):
            return Death.UNKNOWN
        return None

    async def until_dead(self, claims: Claims) -> Death:
        """Waits until these claims must not be used any more."""
        while (death := self.death(claims)) is None:
            left = claims.exp + self._leeway - time.time()
            fresh = self._max_staleness - self.revocations.staleness()
            await self.revocations.grown(max(0.0, left if self._serve_stale else min(left, fresh)) + 0.01)
        return death
