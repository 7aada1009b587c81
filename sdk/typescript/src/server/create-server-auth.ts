import { PortcullisError } from "../errors.js";
import { isPortcullisError } from "../is-portcullis-error.js";
import { type Clock, systemClock } from "../lib/clock.js";
import type { Claims } from "./claims.js";
import { createBackChannel } from "./lib/back-channel.js";
import { accessOf, type Chains, createChains, refreshOf } from "./lib/chains.js";
import { believable, type Pair, parseCookies } from "./lib/cookies.js";
import { createKeys } from "./lib/keys.js";
import { type Arrival, openVisit, type VisitParts } from "./lib/open-visit.js";
import { passOn } from "./lib/proxy.js";
import { createVerify, type Verify } from "./lib/verify.js";
import type { Visit } from "./visit.js";

/** Milliseconds. */
const TIMEOUT = 10_000;

/** What a server has to know. Only `baseUrl` is needed. */
export interface ServerAuthOptions {
  /** Where this server reaches Portcullis: `http://127.0.0.1:8400`. */
  readonly baseUrl: string;
  /** What tokens say in `iss`: Portcullis' `server.public_url`, if that is not `baseUrl`. */
  readonly issuer?: string;
  /** What tokens must have in `aud`; the issuer. */
  readonly audience?: string;
  /** Origins of this site, where a proxy in front changes `Host`: `https://www.example.org`. */
  readonly origins?: readonly string[];
  /** Origins of services that get the access token by `visit.fetch`. */
  readonly services?: readonly string[];
  /**
   * The address of who asks, as whoever stands in front of this server tells it: from a header that it sets and strips
   * from what comes in. Portcullis' limits count by it, if this server stands in its `server.trusted_proxies`.
   */
  readonly clientAddress?: (headers: Headers) => string | null | undefined;
  /** Milliseconds until an answer of Portcullis is no longer waited for; 10 000. */
  readonly timeout?: number;
  /** Instead of the global one. */
  readonly fetch?: typeof fetch;
  /** Instead of this machine's. */
  readonly clock?: Clock;
}

/** What of a request is looked at. */
export type RequestHead = Pick<Request, "method" | "headers">;

/** Reads who asks, refreshes, and writes cookies. One for the whole process: its requests share what it knows. */
export interface ServerAuth {
  /** Finds out who asks, and refreshes if that is due. Its cookies have to be written: see {@link Visit.setCookies}. */
  open(request: RequestHead): Promise<Visit>;
  /**
   * Finds out who asks without changing anything, for places that cannot write cookies. `null`: nobody, or a token that
   * should have been refreshed before. Takes tokens for reading only, too.
   */
  read(headers: Headers): Promise<Claims | null>;
  /** The claims of an access token; rejects with `invalid_token`, or `password_change_required`. For services. */
  verify(token: string): Promise<Claims>;
  /** Answers `/auth/*` by handing it on to Portcullis: then its cookies are this site's. */
  handler(request: Request): Promise<Response>;
}

/**
 * Makes the server half.
 *
 * ```ts
 * import { createServerAuth } from "@portcullis/client/server";
 *
 * export const auth = createServerAuth({ baseUrl: "http://127.0.0.1:8400", issuer: "https://auth.example.org" });
 * ```
 */
export function createServerAuth(options: ServerAuthOptions): ServerAuth {
  const { clock = systemClock, timeout = TIMEOUT, origins = [], services = [], clientAddress } = options;
  const baseUrl = new URL(options.baseUrl).href.replace(/\/+$/, "");
  const issuer = options.issuer ?? baseUrl;
  const isHttps = new URL(issuer).protocol === "https:";
  const send: typeof fetch = options.fetch ?? ((...parameters) => globalThis.fetch(...parameters));
  const back = createBackChannel({ baseUrl, origin: new URL(issuer).origin, fetch: send, clock, timeout });
  const keys = createKeys(`${baseUrl}/.well-known/jwks.json`, back.send, clock);
  const verify = createVerify({ keys, issuer, audience: options.audience ?? issuer, clock });
  const parts: VisitParts = {
    baseUrl,
    back,
    chains: createChains(back, verify, clock),
    verify,
    clock,
    fetch: send,
    services: new Set([baseUrl, ...services].map((url) => new URL(url).origin)),
    origins,
  };

  /** What Portcullis is told of the browser. */
  function callerOf(headers: Headers): Record<string, string> {
    const agent = headers.get("user-agent");
    const address = clientAddress?.(headers);
    return { ...(agent !== null && { "user-agent": agent }), ...(address && { "x-forwarded-for": address }) };
  }

  const cookiesOf = (headers: Headers) => believable(parseCookies(headers.get("cookie")), isHttps);

  function arrivalOf({ method, headers }: RequestHead): Arrival {
    return { method, headers, cookies: cookiesOf(headers), caller: callerOf(headers) };
  }

  return {
    open: (request) => openVisit(parts, arrivalOf(request)),
    read: (headers) => readClaims(parts.chains, verify, cookiesOf(headers)),
    async verify(token) {
      const claims = await verify(token);
      if (!claims.pwd_change) return claims;
      throw new PortcullisError("password_change_required", "The password has to be changed first.", { status: 403 });
    },
    handler: (request) => passOn(parts, request, { cookies: cookiesOf(request.headers), headers: callerOf(request.headers) }),
  };
}

async function readClaims(chains: Chains, verify: Verify, cookies: readonly Pair[]): Promise<Claims | null> {
  const refresh = refreshOf(cookies);
  const kept = refresh ? chains.kept(refresh) : undefined;
  const access = accessOf(cookies) ?? kept?.access;
  if (!access) return null;
  try {
    const claims = await verify(access);
    // Of another session than the refresh cookie: somebody else has set one of the two.
    if (kept && kept.claims.sid !== claims.sid) return null;
    return claims.pwd_change ? null : claims;
  } catch (error) {
    if (isPortcullisError(error, "invalid_token")) return null;
    throw error;
  }
}
