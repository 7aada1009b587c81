"""Tokens, keys and revocations, against an issuer that does as it is told."""

from __future__ import annotations

import time
from typing import Any

import jwt
import pytest
from conftest import ISSUER, FakeIssuer, until
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

import portcullis_auth
from portcullis_auth import Claims, Death, Portcullis, Problem, read_keys

pytestmark = pytest.mark.anyio

SID = "0190163d-8694-739b-aea5-966c26f8ad90"
OTHER = "0190163d-8694-739b-aea5-966c26f8ad91"


async def refusal(portcullis: Portcullis, token: str) -> tuple[int, str]:
    with pytest.raises(Problem) as refused:
        await portcullis.verify(token)
    return refused.value.status, refused.value.code


async def test_a_good_token_says_who_asks(issuer: FakeIssuer) -> None:
    async with issuer.verifier() as portcullis:
        claims = await portcullis.verify(issuer.token(role="admin"))
    assert (claims.sub, claims.sid, claims.gen, claims.role, claims.account) == ("ada", SID, 1, "admin", "acme")
    assert not claims.read_only and not claims.pwd_change


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://elsewhere.example"},
        {"iss": None},
        {"aud": "https://elsewhere.example"},
        {"aud": None},
        {"aud": []},
        {"exp": int(time.time()) - 1},
        {"exp": None},
        {"exp": "never"},
        {"nbf": int(time.time()) + 900},
        {"iat": int(time.time()) + 900},
        {"iat": None},
        {"sub": None},
        {"sub": ""},
        {"sid": None},
        {"sid": ""},
        {"gen": None},
        {"gen": "1"},
        {"gen": True},
        {"headers": {"typ": "JWT"}},
        {"headers": {"typ": None}},
        {"headers": {"typ": "id+jwt"}},
        {"headers": {"kid": "made up"}},
        {"headers": {"kid": None}},
        {"headers": {"kid": ""}},
    ],
    ids=str,
)
async def test_wrong_tokens_are_refused_alike(issuer: FakeIssuer, changes: dict[str, Any]) -> None:
    async with issuer.verifier() as portcullis:
        assert await refusal(portcullis, issuer.token(**changes)) == (401, "invalid_token")


async def test_forged_tokens_are_refused(issuer: FakeIssuer) -> None:
    public = issuer.keys[issuer.kid].public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    claims = jwt.decode(issuer.token(), options={"verify_signature": False})
    header = {"typ": "at+jwt", "kid": issuer.kid}
    good = issuer.token()
    rsa_key = rsa.generate_private_key(65537, 2048)
    forged = [
        issuer.token(key=ec.generate_private_key(ec.SECP256R1())),
        issuer.token(key=rsa_key, headers={"alg": "RS256"}),
        jwt.encode(claims, "", "none", header),
        # The public key as if it were a secret: PyJWT itself refuses to make this one.
        hs256(claims, pem, header),
        good[:-4] + "AAAA",
        good.rsplit(".", 1)[0] + ".",
        ".".join([*good.split(".")[:2], *jwt.encode({}, "x" * 32).split(".")[2:]]),
        "",
        "a.b.c",
        "pct_0123456789",
        good + "." + good,
    ]
    async with issuer.verifier() as portcullis:
        for token in forged:
            assert await refusal(portcullis, token) == (401, "invalid_token"), token
        assert await portcullis.verify(good)


def hs256(claims: dict[str, Any], secret: bytes, header: dict[str, Any]) -> str:
    class Careless(jwt.algorithms.HMACAlgorithm):
        def prepare_key(self, key: Any) -> bytes:
            return bytes(key)

    careless = jwt.PyJWS(algorithms=["HS256"])
    careless.unregister_algorithm("HS256")
    careless.register_algorithm("HS256", Careless(Careless.SHA256))
    return careless.encode(str(claims).replace("'", '"').encode(), secret, "HS256", header)


def test_keys_that_are_not_for_signatures_of_ours_are_left_out(issuer: FakeIssuer) -> None:
    good = issuer.jwk(issuer.kid)
    others = [
        {"kty": "oct", "k": "c2VjcmV0", "alg": "HS256", "kid": "shared"},
        {**good, "kid": "for encryption", "use": "enc"},
        {**good, "kid": "damaged", "x": "!"},
        {name: value for name, value in good.items() if name != "alg"} | {"kid": "for anything"},
    ]
    assert list(read_keys({"keys": [*others, good]})) == [issuer.kid]


async def test_a_new_key_is_found_and_made_up_ones_cost_nothing(
    issuer: FakeIssuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with issuer.verifier() as portcullis:
        issuer.rotate()
        for at in range(20):
            token = issuer.token(headers={"kid": f"made up {at}"})
            assert await refusal(portcullis, token) == (401, "invalid_token")
        assert issuer.key_fetches == 1
        monkeypatch.setattr(portcullis_auth, "KEYS_PAUSE", 0.0)
        assert await portcullis.verify(issuer.token())
        assert issuer.key_fetches == 2


async def test_an_issuer_that_is_down_signs_nobody_out(issuer: FakeIssuer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(portcullis_auth, "KEYS_PAUSE", 0.0)
    issuer.down = True
    async with issuer.verifier() as portcullis:
        assert await refusal(portcullis, issuer.token()) == (503, "key_unavailable")
        issuer.down = False
        await portcullis.keys.fetch()
        assert await refusal(portcullis, issuer.token()) == (503, "store_unavailable"), "what is revoked is unknown"
        await until(lambda: portcullis.revocations.staleness() < 60)
        assert await portcullis.verify(issuer.token())
        issuer.down = True
        issuer.wake()
        assert await portcullis.verify(issuer.token()), "keys and list are still good"
        issuer.rotate()
        assert await refusal(portcullis, issuer.token()) == (503, "key_unavailable"), "it may be a new key"


async def test_without_news_for_too_long(issuer: FakeIssuer) -> None:
    async with issuer.verifier(max_staleness=0) as portcullis:
        assert await refusal(portcullis, issuer.token()) == (503, "store_unavailable")
    async with issuer.verifier(max_staleness=0, serve_stale=True) as portcullis:
        assert await portcullis.verify(issuer.token())
    issuer.down = True
    async with issuer.verifier(serve_stale=True) as portcullis:
        portcullis.keys._keys = read_keys({"keys": [issuer.jwk(issuer.kid)]})
        assert await refusal(portcullis, issuer.token()) == (503, "store_unavailable"), "it never knew anything"


async def test_a_revoked_session_is_refused_and_no_other(issuer: FakeIssuer) -> None:
    async with issuer.verifier() as portcullis:
        one, other = await portcullis.verify(issuer.token()), await portcullis.verify(issuer.token(sid=OTHER))
        issuer.revoke(SID)
        assert await portcullis.until_dead(one) == Death.REVOKED
        assert await refusal(portcullis, issuer.token()) == (401, "invalid_token")
        assert await refusal(portcullis, issuer.token(gen=99)) == (401, "invalid_token")
        assert portcullis.death(other) is None


async def test_a_revocation_up_to_a_generation_spares_later_tokens(issuer: FakeIssuer) -> None:
    issuer.revoke(SID, upto=3)
    issuer.revoke(SID, upto=2)
    async with issuer.verifier() as portcullis:
        for gen in (1, 2, 3):
            assert await refusal(portcullis, issuer.token(gen=gen)) == (401, "invalid_token")
        later = await portcullis.verify(issuer.token(gen=4))
        issuer.revoke(SID)
        assert await portcullis.until_dead(later) == Death.REVOKED
        issuer.revoke(SID, upto=1)
        await until(lambda: len(issuer.asked) > 0 and issuer.asked[-1].get("after") == "4")
        assert portcullis.death(later) == Death.REVOKED, "a narrower entry takes nothing back"


async def test_a_list_that_lacks_an_entry_takes_nothing_back(issuer: FakeIssuer) -> None:
    issuer.revoke(SID)
    async with issuer.verifier() as portcullis:
        portcullis.revocations._take({"cursor": "0", "complete": True, "sessions": []})
        assert await refusal(portcullis, issuer.token()) == (401, "invalid_token")


async def test_a_list_in_parts_is_not_known_before_its_last(issuer: FakeIssuer) -> None:
    issuer.page = 1
    for sid in (SID, OTHER):
        issuer.revoke(sid)
    portcullis = issuer.verifier()
    await portcullis.revocations.ask()
    assert portcullis.revocations.staleness() == float("inf")
    await portcullis.revocations.ask()
    assert portcullis.revocations.staleness() < 60
    await portcullis.__aexit__()


async def test_an_answer_that_leads_nowhere_is_not_asked_for_without_end(issuer: FakeIssuer) -> None:
    issuer.revoke(SID)
    issuer.stuck = True
    portcullis = issuer.verifier()
    pauses = [await portcullis.revocations.ask() for _ in range(3)]
    assert pauses == [0.0, portcullis_auth.IDLE, portcullis_auth.IDLE]
    assert portcullis.revocations.staleness() < 60, "it is an answer all the same"
    await portcullis.__aexit__()


async def test_entries_are_forgotten_when_they_expire(issuer: FakeIssuer) -> None:
    issuer.revoke(SID, exp=1_000)
    issuer.revoke(OTHER, exp=2_000)
    portcullis = issuer.verifier()
    await portcullis.revocations.ask()
    portcullis.revocations.forget(1_000)
    claims = Claims("ada", SID, 1, 0, None, None, False, False, {})
    assert not portcullis.revocations.revokes(claims)
    assert portcullis.revocations.revokes(Claims("ada", OTHER, 1, 0, None, None, False, False, {}))
    await portcullis.__aexit__()


async def test_a_broken_answer_changes_nothing(issuer: FakeIssuer) -> None:
    issuer.revoke(SID)
    async with issuer.verifier() as portcullis:
        broken: list[Any] = [{}, [], {"cursor": 7, "sessions": []}, {"cursor": "7", "sessions": [{"id": "x"}]}]
        for answer in broken:
            with pytest.raises((KeyError, TypeError, AttributeError)):
                portcullis.revocations._take(answer)
        assert portcullis.revocations._cursor == "1"
        assert await refusal(portcullis, issuer.token()) == (401, "invalid_token")


def test_what_a_token_may_not_do() -> None:
    def claims(**changes: Any) -> Claims:
        return Claims.read({"iss": ISSUER, "sub": "ada", "sid": SID, "gen": 1, "exp": 9, **changes})

    claims().allow("DELETE")
    for value in (True, "true", 1, None):
        reader = claims(read_only=value)
        for method in ("GET", "HEAD", "OPTIONS"):
            reader.allow(method)
        for method in ("POST", "PUT", "PATCH", "DELETE", "get"):
            with pytest.raises(Problem, match="read_only_session"):
                reader.allow(method)
        reader.allow("POST", changes_nothing=True)
        for method in ("GET", "POST"):
            with pytest.raises(Problem, match="password_change_required"):
                claims(pwd_change=value).allow(method, changes_nothing=True)
