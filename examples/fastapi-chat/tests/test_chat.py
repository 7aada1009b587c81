"""The chat itself: refusals, streams, and how they end."""

from __future__ import annotations

import time

import pytest
from conftest import ISSUER, FakeIssuer, Speaker, serving, streaming, until

from main import create_app

pytestmark = pytest.mark.anyio

SID = "0190163d-8694-739b-aea5-966c26f8ad90"
ORIGIN = "https://chat.example.org"


async def test_refusals_are_problems_with_stable_codes(issuer: FakeIssuer) -> None:
    good = {"authorization": f"Bearer {issuer.token()}"}
    # headers, method, path, body; status, code, challenge
    cases = [
        ({}, "GET", "/me", None, 401, "missing_token", "Bearer"),
        ({"authorization": "Basic x"}, "GET", "/me", None, 401, "malformed_authorization", 'Bearer error="invalid_request"'),
        ({"authorization": "Bearer"}, "GET", "/me", None, 401, "malformed_authorization", 'Bearer error="invalid_request"'),
        ({"authorization": "Bearer a b"}, "GET", "/me", None, 401, "malformed_authorization", 'Bearer error="invalid_request"'),
        ({"authorization": "Bearer x"}, "GET", "/me", None, 401, "invalid_token", 'Bearer error="invalid_token"'),
        ({"cookie": f"pc_access={issuer.token()}"}, "GET", "/me", None, 401, "missing_token", "Bearer"),
        (good, "GET", "/nothing", None, 404, "not_found", None),
        (good, "GET", "/chat/stream", None, 405, "method_not_allowed", None),
        (good, "POST", "/chat/stream", b"{", 400, "malformed_json", None),
        (good, "POST", "/chat/stream", None, 400, "malformed_request", None),
        (good, "POST", "/chat/stream", b'{"message": ""}', 422, "validation_failed", None),
        (good, "POST", "/chat/stream", b'{"message": 7}', 422, "validation_failed", None),
        ({**good, "last-event-id": "x-1"}, "POST", "/chat/stream", None, 404, "not_found", None),
    ]  # fmt: skip
    async with serving(create_app(issuer.verifier())) as client:
        for headers, method, path, body, status, code, challenge in cases:
            sent = {**headers, "content-type": "application/json"} if body else headers
            reply = await client.request(method, path, headers=sent, content=body)
            case = (headers, method, path, body, reply.text)
            assert (reply.status_code, reply.json()["code"], reply.json()["status"]) == (status, code, status), case
            assert reply.json()["type"] == f"{ISSUER}/docs/problems#{code}"
            assert reply.headers["content-type"] == "application/problem+json"
            assert reply.headers.get("www-authenticate") == challenge
            if status == 422:
                assert [error["field"] for error in reply.json()["errors"]] == ["message"]
        for scheme in ("Bearer", "bearer", "Token", "TOKEN"):
            me = await client.get("/me", headers={"authorization": f"{scheme} {issuer.token()}"})
            assert me.json() == {"user": "ada", "role": "user", "account": "acme"}


async def test_a_reply_streams_and_can_be_read_again(issuer: FakeIssuer) -> None:
    speaker, token = Speaker(), issuer.token()
    async with serving(create_app(issuer.verifier(), speaker=speaker)) as client:
        async with streaming(client, token, "hello") as stream:
            assert (stream.status, stream.headers["cache-control"]) == (200, "no-store")
            assert stream.headers["content-type"].startswith("text/event-stream")
            speaker.say("hello", "one")
            first = await stream.next()
            assert (first["event"], first["data"]) == ("word", '{"text": "one"}')
            speaker.say("hello", "two")
            assert (await stream.next())["data"] == '{"text": "two"}'
        # The reader has gone; the reply goes on.
        speaker.say("hello", "three", None)
        async with streaming(client, token, last_event_id=first["id"]) as stream:
            rest = [await stream.next() for _ in range(3)]
        assert [event["data"] for event in rest[:2]] == ['{"text": "two"}', '{"text": "three"}']
        assert (rest[2]["event"], rest[2]["data"]) == ("end", '{"reason": "done"}')
        for last_event_id in (first["id"] + "9", first["id"].replace("-0", "-3"), first["id"].replace("-", "")):
            async with streaming(client, token, last_event_id=last_event_id) as stream:
                assert stream.status == 404, last_event_id
        async with streaming(client, issuer.token(sub="bob"), last_event_id=first["id"]) as stream:
            assert stream.status == 404, "another's"


async def test_a_revoked_session_ends_its_streams_which_go_on_with_the_next_token(issuer: FakeIssuer) -> None:
    speaker = Speaker()
    async with serving(create_app(issuer.verifier(), speaker=speaker)) as client:
        async with streaming(client, issuer.token(), "hello") as stream:
            speaker.say("hello", "one")
            seen = await stream.next()
            issuer.revoke(SID, upto=1)
            end = await stream.next()
            assert (end["event"], end["data"]) == ("end", '{"reason": "session_revoked"}')
            with pytest.raises(EOFError):
                await stream.next()
        speaker.say("hello", "two")
        async with streaming(client, issuer.token(), last_event_id=seen["id"]) as stream:
            assert stream.status == 401
        async with streaming(client, issuer.token(gen=2), last_event_id=seen["id"]) as stream:
            assert (await stream.next())["data"] == '{"text": "two"}'


async def test_nothing_is_sent_after_a_revocation_is_known(issuer: FakeIssuer) -> None:
    speaker = Speaker()
    portcullis = issuer.verifier()
    async with serving(create_app(portcullis, speaker=speaker)) as client:
        async with streaming(client, issuer.token(), "hello") as stream:
            issuer.revoke(SID)
            await until(lambda: portcullis.revocations._cursor == "1")
            speaker.say("hello", *["word"] * 100)
            assert (await stream.next())["data"] == '{"reason": "session_revoked"}'


async def test_a_stream_ends_with_its_token(issuer: FakeIssuer) -> None:
    speaker = Speaker()
    async with serving(create_app(issuer.verifier(), speaker=speaker)) as client:
        async with streaming(client, issuer.token(exp=int(time.time()) + 2), "hello") as stream:
            assert stream.status == 200
            assert (await stream.next())["data"] == '{"reason": "token_expired"}'


async def test_a_stream_ends_when_there_is_no_telling(issuer: FakeIssuer) -> None:
    speaker = Speaker()
    async with serving(create_app(issuer.verifier(max_staleness=1.0), speaker=speaker)) as client:
        async with streaming(client, issuer.token(), "hello") as stream:
            assert (await stream.next())["data"] == '{"reason": "unavailable"}'


async def test_who_may_only_read_may_search_and_not_speak(issuer: FakeIssuer) -> None:
    reader = {"authorization": f"Bearer {issuer.token(read_only=True)}"}
    must_change = {"authorization": f"Bearer {issuer.token(pwd_change=True)}"}
    async with serving(create_app(issuer.verifier())) as client:
        async with streaming(client, issuer.token(), "hello") as stream:
            assert (await stream.next())["data"] == '{"text": "You"}'
        spoken = await client.post("/chat/stream", headers=reader, json={"message": "hello"})
        assert (spoken.status_code, spoken.json()["code"]) == (403, "read_only_session")
        found = await client.post("/chat/search", headers=reader, json={"text": "you"})
        assert (found.status_code, len(found.json()["replies"])) == (200, 1)
        assert (await client.get("/me", headers=reader)).status_code == 200
        for method, path in (("GET", "/me"), ("POST", "/chat/search")):
            reply = await client.request(method, path, headers=must_change)
            assert (reply.status_code, reply.json()["code"]) == (403, "password_change_required")


async def test_cookies_need_a_page_of_ours(issuer: FakeIssuer) -> None:
    cookie = f"a=b; __Host-pc_access={issuer.token()}; csrftoken=secret"
    shown = {"x-csrftoken": "secret"}
    app = create_app(issuer.verifier(), cookie_origins=(ORIGIN,))
    async with serving(app) as client:

        async def search(headers: dict[str, str]) -> str:
            reply = await client.post("/chat/search", headers=headers, json={"text": "x"})
            return "" if reply.status_code == 200 else reply.json()["code"]

        assert (await client.get("/me", headers={"cookie": cookie})).status_code == 200, "reading needs none"
        for origin in ({"origin": ORIGIN}, {"referer": f"{ORIGIN}/chat?x=1"}):
            assert await search({"cookie": cookie, **shown, **origin}) == ""
        for wrong in (
            {},
            {"origin": "https://evil.example"},
            {"origin": f"{ORIGIN}.evil.example"},
            {"origin": "null"},
            {"origin": "https://evil.example", "referer": ORIGIN},
            {"referer": f"https://evil.example/{ORIGIN}"},
            {"referer": f"{ORIGIN}@evil.example/"},
        ):
            assert await search({"cookie": cookie, **shown, **wrong}) == "csrf_failed", wrong
        ours = {"origin": ORIGIN}
        for wrong in ({}, {"x-csrftoken": ""}, {"x-csrftoken": "other"}):
            assert await search({"cookie": cookie, **ours, **wrong}) == "csrf_failed", wrong
        assert await search({"cookie": cookie.replace("secret", ""), **ours, "x-csrftoken": ""}) == "csrf_failed"
        assert await search({"cookie": cookie + "; csrftoken=other", **ours, **shown}) == "csrf_failed"
        assert (
            await search({"cookie": cookie + f"; __Host-pc_access={issuer.token()}", **ours, **shown})
            == "missing_token"
        )
        # Who shows a bearer is who the bearer says, and no browser does that by itself.
        assert await search({"cookie": cookie, "authorization": f"Bearer {issuer.token()}"}) == ""
        assert (
            await search({"cookie": cookie, "authorization": "Basic x", **ours, **shown}) == "malformed_authorization"
        )
