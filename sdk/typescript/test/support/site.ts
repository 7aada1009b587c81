/** A site with the server half before a fake Portcullis whose tokens are really signed. */
import { createServerAuth, type ServerAuth, type ServerAuthOptions } from "../../src/server/index.js";
import { apply, type Pair, parseCookies, serialise } from "../../src/server/lib/cookies.js";
import type { Clock } from "../../src/lib/clock.js";
import { APP, BASE, base64url, FakeIssuer } from "./fake-issuer.js";

/** Stands still until it is set; short pauses pass at once, long ones never. */
export class StillClock implements Clock {
  time = Date.UTC(2026, 0, 1);
  now = () => this.time;
  setTimeout = (run: () => void, milliseconds: number): unknown => (milliseconds < 1_000 ? setImmediate(run) : undefined);
  clearTimeout = () => undefined;
  pass(milliseconds: number): void {
    this.time += milliseconds;
  }
}

/** A key pair, and how it signs. */
export async function keyPair(id: string, alg: "ES256" | "RS256" | "EdDSA" = "ES256") {
  const names = {
    ES256: { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" },
    RS256: {
      name: "RSASSA-PKCS1-v1_5",
      hash: "SHA-256",
      modulusLength: 2048,
      publicExponent: new Uint8Array([1, 0, 1]),
    },
    EdDSA: { name: "Ed25519" },
  }[alg];
  const pair = (await crypto.subtle.generateKey(names, true, ["sign", "verify"])) as CryptoKeyPair;
  const jwk = { ...(await crypto.subtle.exportKey("jwk", pair.publicKey)), kid: id, alg } as JsonWebKey;
  const sign = async (claims: object, header: object = {}): Promise<string> => {
    const head = base64url(JSON.stringify({ typ: "at+jwt", alg, kid: id, ...header }));
    const data = `${head}.${base64url(JSON.stringify(claims))}`;
    const mark = await crypto.subtle.sign(names, pair.privateKey, new TextEncoder().encode(data));
    return `${data}.${base64url(String.fromCharCode(...new Uint8Array(mark)))}`;
  };
  return { jwk, sign };
}

export interface Site {
  readonly clock: StillClock;
  readonly issuer: FakeIssuer;
  readonly auth: ServerAuth;
  /** Everything that was sent anywhere. */
  readonly sent: Request[];
  /** Another process of the same site. */
  another(): ServerAuth;
  offline: boolean;
}

export async function site(options: Partial<ServerAuthOptions> = {}): Promise<Site> {
  const clock = new StillClock();
  const issuer = new FakeIssuer(clock);
  const { jwk, sign } = await keyPair("key-1");
  issuer.keys = [jwk];
  issuer.prefix = "__Host-";
  issuer.sign = sign;
  const sent: Request[] = [];
  const made = {
    clock,
    issuer,
    sent,
    offline: false,
    another: () => createServerAuth({ baseUrl: BASE, fetch: send, clock, services: ["https://api.example.org"], ...options }),
  };
  const send: typeof fetch = async (input, init) => {
    const request = new Request(input, init);
    sent.push(request.clone());
    if (made.offline) throw new TypeError("fetch failed");
    if (!request.url.startsWith(BASE)) return issuer.service(request);
    return issuer.handle(request);
  };
  return Object.assign(made, { auth: made.another() });
}

/** A browser that keeps what it is told. */
export class Browser {
  cookies: Pair[] = [["theme", "dark"]];

  request(path = "/", init: RequestInit = {}): Request {
    const headers = new Headers({ cookie: serialise(this.cookies), host: new URL(APP).host });
    if (init.method && init.method !== "GET") headers.set("origin", APP);
    for (const [name, value] of new Headers(init.headers)) headers.set(name, value);
    return new Request(APP + path, { ...init, headers });
  }

  keep(setCookies: readonly string[]): void {
    this.cookies = apply(this.cookies, setCookies);
  }

  /** With or without the prefix that it has on https. */
  cookie(name: string): string | undefined {
    return this.cookies.find(([known]) => known === name || known === `__Host-${name}`)?.[1];
  }

  set(name: string, value: string): void {
    this.keep([`${name}=${value}`]);
  }

  copy(): Browser {
    return Object.assign(new Browser(), { cookies: parseCookies(serialise(this.cookies)) });
  }
}

/** Signs Ada in at a site, by its form; or somebody else. */
export async function signIn(at: Site, browser = new Browser(), email = "ada@example.org"): Promise<Browser> {
  at.issuer.passwords.set(email, "a good long passphrase");
  const visit = await at.auth.open(browser.request("/sign-in", { method: "POST" }));
  await visit.login({ email, password: "a good long passphrase" });
  browser.keep(visit.setCookies());
  at.sent.length = 0;
  at.issuer.log.length = 0;
  return browser;
}
