"""The chat with a real Portcullis: `run-tests` names the binary in `PORTCULLIS_BIN`."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from conftest import PATIENCE, Speaker, serving, streaming, until

from main import create_app
from portcullis_auth import Portcullis

pytestmark = pytest.mark.anyio

ISSUER = "http://localhost:8400"
"""What a Portcullis says in its tokens that was told nothing else, wherever it listens."""
PASSWORD = "seven purple gates"


class Server:
    """One Portcullis with a directory of its own."""

    def __init__(self, binary: str, directory: Path) -> None:
        self._binary, self._directory = binary, directory
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._address = f"127.0.0.1:{free.getsockname()[1]}"
        self.url = f"http://{self._address}"
        cheap = {"PORTCULLIS_PASSWORD__MEMORY_KIB": "8", "PORTCULLIS_PASSWORD__ITERATIONS": "1"}
        self._env = {**cheap, "PORTCULLIS_RATE_LIMIT__ENABLED": "false"}
        self.start()

    def start(self) -> None:
        with (self._directory / "log").open("a") as log:
            self._process = subprocess.Popen(
                [self._binary, "serve", "--listen", self._address],
                cwd=self._directory,
                env=self._env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + PATIENCE
        while not self._is_ready():
            told = (self._directory / "log").read_text()
            assert self._process.poll() is None and time.monotonic() < deadline, told
            time.sleep(0.02)

    def _is_ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/health/ready").status_code == 200
        except httpx.HTTPError:
            return False

    def stop(self) -> int:
        self._process.terminate()
        return self._process.wait(PATIENCE)

    def run(self, *args: str, password: str) -> None:
        done = subprocess.run(
            [self._binary, *args],
            cwd=self._directory,
            env=self._env,
            input=password,
            text=True,
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr

    def post(self, path: str, body: dict[str, Any], token: str | None = None) -> dict[str, Any]:
        headers = {"authorization": f"Bearer {token}"} if token else {}
        reply = httpx.post(f"{self.url}{path}", json=body, headers=headers)
        assert reply.is_success, reply.text
        return dict(reply.json()) if reply.content else {}

    def register(self, name: str) -> dict[str, Any]:
        body = {"email": f"{name}@example.org", "password": PASSWORD, "name": name, "delivery": "body"}
        return self.post("/auth/register", body)

    def login(self, name: str) -> dict[str, Any]:
        return self.post("/auth/login", {"email": f"{name}@example.org", "password": PASSWORD})

    def verifier(self) -> Portcullis:
        return Portcullis(ISSUER, url=self.url)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    binary = os.environ.get("PORTCULLIS_BIN")
    if not binary:
        pytest.skip("PORTCULLIS_BIN is not set: run ./run-tests")
    server = Server(binary, tmp_path_factory.mktemp("portcullis"))
    yield server
    server.stop()


async def test_signing_out_ends_the_stream_and_the_next_sign_in_resumes_it(server: Server) -> None:
    speaker, ada = Speaker(), server.register("ada")
    async with serving(create_app(server.verifier(), speaker=speaker)) as client:
        bob = server.register("bob")
        async with (
            streaming(client, bob["access_token"], "bob") as other,
            streaming(client, ada["access_token"], "ada") as stream,
        ):
            speaker.say("ada", "one")
            seen = await stream.next()
            assert seen["data"] == '{"text": "one"}'
            server.post("/auth/logout", {"refresh_token": ada["refresh_token"]})
            assert (await stream.next())["data"] == '{"reason": "session_revoked"}'
            speaker.say("ada", "two")
            speaker.say("bob", "one")
            assert (await other.next())["data"] == '{"text": "one"}', "others talk on"
        async with streaming(client, ada["access_token"], last_event_id=seen["id"]) as stream:
            assert stream.status == 401
        again = server.login("ada")
        async with streaming(client, again["access_token"], last_event_id=seen["id"]) as stream:
            assert (await stream.next())["data"] == '{"text": "two"}'


async def test_a_changed_password_ends_older_tokens_of_the_session_and_spares_the_next(server: Server) -> None:
    speaker, carol = Speaker(), server.register("carol")
    async with serving(create_app(server.verifier(), speaker=speaker)) as client:
        async with streaming(client, carol["access_token"], "hello") as stream:
            assert stream.status == 200
            body = {"current_password": PASSWORD, "new_password": "nine amber harbours"}
            changed = server.post("/auth/password/change", body, carol["access_token"])
            assert changed["session_id"] == carol["session_id"]
            assert (await stream.next())["data"] == '{"reason": "session_revoked"}'
        for token, status in ((carol["access_token"], 401), (changed["access_token"], 200)):
            assert (await client.get("/me", headers={"authorization": f"Bearer {token}"})).status_code == status


async def test_who_must_change_the_password_can_do_nothing_else(server: Server) -> None:
    args = ["user", "create", "--email", "dave@example.org", "--must-change-password", "--password-stdin"]
    server.run(*args, password=PASSWORD)
    dave = server.login("dave")
    async with serving(create_app(server.verifier())) as client:
        reply = await client.get("/me", headers={"authorization": f"Bearer {dave['access_token']}"})
    assert (reply.status_code, reply.json()["code"]) == (403, "password_change_required")


async def test_an_issuer_that_restarts_is_followed_again(server: Server) -> None:
    speaker, eve = Speaker(), server.register("eve")
    portcullis = server.verifier()
    async with serving(create_app(portcullis, speaker=speaker)) as client:
        async with streaming(client, eve["access_token"], "hello") as stream:
            # Nobody who waits for revocations holds it up.
            assert server.stop() == 0
            speaker.say("hello", "one")
            assert (await stream.next())["data"] == '{"text": "one"}', "it is not needed for each request"
            me = await client.get("/me", headers={"authorization": f"Bearer {eve['access_token']}"})
            assert me.status_code == 200
            server.start()
            server.post("/auth/logout", {"refresh_token": eve["refresh_token"]})
            assert (await stream.next())["data"] == '{"reason": "session_revoked"}'
    await until(lambda: portcullis._following is not None and portcullis._following.done())
