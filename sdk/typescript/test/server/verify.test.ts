import assert from "node:assert/strict";
import { test } from "node:test";
import { createServerAuth } from "../../src/server/index.js";
import { BASE } from "../support/fake-issuer.js";
import { keyPair, site } from "../support/site.js";
import { refusal } from "../support/world.js";

const JWKS = "GET /.well-known/jwks.json";

function claims(now: number, changes: object = {}): object {
  const iat = now / 1000;
  return { iss: BASE, aud: [BASE], sub: "ada", sid: "s", gen: 1, iat, nbf: iat, exp: iat + 900, jti: "1", role: "user", ...changes };
}

test("a good token, by each algorithm", async () => {
  const made = await site();
  for (const alg of ["ES256", "RS256", "EdDSA"] as const) {
    const { jwk, sign } = await keyPair(`key-${alg}`, alg);
    made.issuer.keys.push(jwk);
    made.clock.pass(20_000);
    const found = await made.auth.verify(await sign(claims(made.clock.now())));
    assert.deepEqual([found.sub, found.gen], ["ada", 1], alg);
  }
});

test("what is refused", async () => {
  const made = await site();
  const { sign } = made.issuer as unknown as { sign: (claims: object, header?: object) => Promise<string> };
  const now = made.clock.now();
  const good = await sign(claims(now));
  const [head = "", body = "", mark = ""] = good.split(".");
  const other = await keyPair("key-1");
  const none = btoa(JSON.stringify({ typ: "at+jwt", alg: "none", kid: "key-1" })).replace(/=+$/, "");
  const hs256 = btoa(JSON.stringify({ typ: "at+jwt", alg: "HS256", kid: "key-1" })).replace(/=+$/, "");
  const tokens = {
    nothing: "",
    "no JWT": "pct_0123456789",
    "two parts": `${head}.${body}`,
    "four parts": `${good}.x`,
    "not base64url": `${head}.${body}.!!!`,
    "not JSON": `${btoa("x")}.${body}.${mark}`,
    "another signature": `${head}.${body}.${mark.replace(/^./, (first) => (first === "A" ? "B" : "A"))}`,
    "another body": `${head}.${btoa(JSON.stringify(claims(now, { sub: "mallory" })))}.${mark}`,
    "no algorithm": `${none}.${body}.`,
    "the public key as a secret": `${hs256}.${body}.${mark}`,
    "another key of the same name": await other.sign(claims(now)),
    "an unknown key": await (await keyPair("key-9")).sign(claims(now)),
    "no access token": await sign(claims(now), { typ: "JWT" }),
    "an extension that must be understood": await sign(claims(now), { crit: ["b64"] }),
    "another issuer": await sign(claims(now, { iss: "https://evil.example" })),
    "another audience": await sign(claims(now, { aud: ["https://evil.example"] })),
    "no audience": await sign(claims(now, { aud: undefined })),
    expired: await sign(claims(now, { exp: now / 1000 - 31 })),
    "no end": await sign(claims(now, { exp: undefined })),
    "not yet": await sign(claims(now, { nbf: now / 1000 + 31 })),
    "no session": await sign(claims(now, { sid: undefined })),
    "no generation": await sign(claims(now, { gen: undefined })),
    "too long": await sign(claims(now, { more: "x".repeat(9_000) })),
  };
  for (const [name, token] of Object.entries(tokens)) {
    const error = await refusal(made.auth.verify(token));
    assert.deepEqual([error.code, error.status], ["invalid_token", 401], name);
  }
  assert.equal((await made.auth.verify(good)).sub, "ada");
  const changing = await sign(claims(now, { pwd_change: true }));
  assert.equal((await refusal(made.auth.verify(changing))).code, "password_change_required");
  for (const within of [{ exp: now / 1000 - 29 }, { nbf: now / 1000 + 29 }, { aud: BASE }]) {
    await made.auth.verify(await sign(claims(now, within)));
  }
});

test("keys are fetched once, and again when they are old, and by one request for a name that is new", async () => {
  const made = await site();
  const { clock, issuer, auth } = made;
  const token = () => issuer.sign(claims(clock.now()));
  await Promise.all(Array.from({ length: 20 }, async () => auth.verify(await token())));
  assert.equal(issuer.count(JWKS), 1);
  clock.pass(590_000);
  await auth.verify(await token());
  assert.equal(issuer.count(JWKS), 1);
  clock.pass(20_000);
  await auth.verify(await token());
  assert.equal(issuer.count(JWKS), 2);

  const next = await keyPair("key-2");
  issuer.keys.push(next.jwk);
  clock.pass(20_000);
  await Promise.all(Array.from({ length: 20 }, async () => auth.verify(await next.sign(claims(clock.now())))));
  assert.equal(issuer.count(JWKS), 3);
  // Names that are made up cost no more than a request each ten seconds.
  for (let name = 0; name < 20; name++) {
    const made_up = await (await keyPair(`made-up-${name}`)).sign(claims(clock.now()));
    assert.equal((await refusal(auth.verify(made_up))).code, "invalid_token");
  }
  assert.equal(issuer.count(JWKS), 3);
});

test("while Portcullis is down known keys stay good, and an unknown one is no refusal", async () => {
  const made = await site();
  const { clock, issuer, auth } = made;
  await auth.verify(await issuer.sign(claims(clock.now())));
  made.offline = true;
  clock.pass(24 * 3_600_000);
  await auth.verify(await issuer.sign(claims(clock.now())));
  const next = await keyPair("key-2");
  issuer.keys.push(next.jwk);
  const token = await next.sign(claims(clock.now()));
  for (let time = 0; time < 2; time++) {
    assert.equal((await refusal(auth.verify(token))).code, "network_error");
    clock.pass(20_000);
  }
  made.offline = false;
  await auth.verify(token);
});

test("keys that cannot be used do no harm to others", async () => {
  const made = await site();
  made.issuer.keys.unshift({ kty: "EC", crv: "P-256", x: "!", y: "!", kid: "broken", alg: "ES256" } as JsonWebKey);
  made.issuer.keys.unshift({ kty: "oct", k: "c2VjcmV0", kid: "secret", alg: "HS256" } as JsonWebKey);
  await made.auth.verify(await made.issuer.sign(claims(made.clock.now())));
});

test("another audience than the issuer", async () => {
  const made = await site();
  const auth = createServerAuth({
    baseUrl: BASE,
    audience: "https://api.example.org",
    clock: made.clock,
    fetch: (input, init) => made.issuer.handle(new Request(input, init)),
  });
  const token = await made.issuer.sign(claims(made.clock.now(), { aud: [BASE, "https://api.example.org"] }));
  assert.equal((await auth.verify(token)).sub, "ada");
  assert.equal((await refusal(auth.verify(await made.issuer.sign(claims(made.clock.now()))))).code, "invalid_token");
});
