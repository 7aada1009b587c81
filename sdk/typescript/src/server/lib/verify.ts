/** Verifies access tokens offline (RFC 9068 section 4). */
import { PortcullisError } from "../../errors.js";
import type { Clock } from "../../lib/clock.js";
import type { Claims } from "../claims.js";
import type { Keys } from "./keys.js";

/** Seconds by which clocks of servers may differ. */
const LEEWAY = 30;
const LONGEST = 8_192;

/** What tokens are measured by. */
export interface VerifyParts {
  readonly keys: Keys;
  readonly issuer: string;
  readonly audience: string;
  readonly clock: Clock;
}

/** The claims of a good token. Rejects with `invalid_token`, or with what kept it from being found out. */
export type Verify = (token: string) => Promise<Claims>;

export function createVerify({ keys, issuer, audience, clock }: VerifyParts): Verify {
  return async (token) => {
    const [head, body, mark, ...rest] = token.length > LONGEST ? [] : token.split(".");
    if (!head || !body || !mark || rest.length) throw invalid("it is no JWT");
    const header = jsonOf(head);
    if (header.typ !== "at+jwt" || typeof header.kid !== "string") throw invalid("it is no access token");
    const key = await keys(header.kid);
    if (!key || key.algorithm !== header.alg || header.crit !== undefined) throw invalid("no key fits it");
    if (!(await key.verify(bytesOf(mark), new TextEncoder().encode(`${head}.${body}`)))) {
      throw invalid("its signature is wrong");
    }
    const claims = jsonOf(body) as unknown as Claims;
    const now = clock.now() / 1000;
    if (claims.iss !== issuer) throw invalid("it is of another issuer");
    if (![claims.aud].flat().includes(audience)) throw invalid("it is for another audience");
    if (!(claims.exp + LEEWAY > now) || (claims.nbf ?? 0) - LEEWAY > now) throw invalid("it is not good now");
    if (typeof claims.sid !== "string" || typeof claims.gen !== "number") throw invalid("it names no session");
    return claims;
  };
}

function invalid(why: string): PortcullisError {
  return new PortcullisError("invalid_token", `The token is not accepted: ${why}.`, { status: 401 });
}

function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  try {
    const binary = atob(text.replace(/-/g, "+").replace(/_/g, "/"));
    return Uint8Array.from(binary, (character) => character.charCodeAt(0));
  } catch {
    throw invalid("it is not base64url");
  }
}

function jsonOf(text: string): Record<string, unknown> {
  const bytes = bytesOf(text);
  try {
    const value: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
    if (typeof value === "object" && value !== null) return value as Record<string, unknown>;
  } catch {
    // Below.
  }
  throw invalid("it is not JSON");
}
