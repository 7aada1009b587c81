/**
 * One request, from its cookies to those of its answer.
 *
 * 1. An access token that is good for a minute or more is enough: nobody is asked.
 * 2. Else the refresh cookie is exchanged, together with all requests that come with the same one.
 * 3. If Portcullis cannot say, an access token that is still good is used to its end. Nothing is cleared.
 * 4. Cookies are decided when the head of the answer is written. After that nothing is exchanged: the browser could not
 *    be told, and would come back with a token of the past.
 */
import { PortcullisError } from "../../errors.js";
import type { TokenResponse, User } from "../../generated/schemas.js";
import { isPortcullisError } from "../../is-portcullis-error.js";
import { createAuthorisedFetch } from "../../lib/authorised-fetch.js";
import type { Clock } from "../../lib/clock.js";
import { factorBody } from "../../lib/factor-body.js";
import type { Claims } from "../claims.js";
import type { Visit, VisitStatus } from "../visit.js";
import { type BackChannel, type Caller, Refused } from "./back-channel.js";
import { accessOf, type Chains, type Ended, type Grant, refreshOf, withAccess } from "./chains.js";
import { apply, isGone, merge, type Pair, serialise } from "./cookies.js";
import { isForeign, isUnsafe } from "./cross-site.js";
import type { Verify } from "./verify.js";

/** Milliseconds before expiry at which an access token is exchanged; short ones have a quarter of their life. */
const AHEAD = 60_000;
/** Milliseconds in which a token is not refused for its age. */
const GRACE = 60_000;

/** What visits share. */
export interface VisitParts {
  readonly baseUrl: string;
  readonly back: BackChannel;
  readonly chains: Chains;
  readonly verify: Verify;
  readonly clock: Clock;
  readonly fetch: typeof fetch;
  /** Origins that may see access tokens. */
  readonly services: ReadonlySet<string>;
  /** Origins of this site. */
  readonly origins: readonly string[];
}

/** What a request says of itself. */
export interface Arrival {
  readonly method: string;
  readonly headers: Headers;
  readonly cookies: readonly Pair[];
  readonly caller: Record<string, string>;
}

/** An access token that was verified. */
type Proof = Pick<Grant, "access" | "claims">;

type State =
  | { readonly kind: "in"; readonly proof: Proof }
  | { readonly kind: "out" }
  | { readonly kind: "unavailable"; readonly problem: PortcullisError };

export async function openVisit(parts: VisitParts, arrival: Arrival): Promise<Visit> {
  const { back, baseUrl, chains, clock, verify } = parts;
  const foreign = isForeign(arrival.method, arrival.headers, parts.origins);
  // Cookies that a page of another site has sent along say nothing of who wants this.
  let cookies = foreign ? [] : arrival.cookies;
  let pending: readonly string[] = [];
  let isWritten = false;
  let state: State = { kind: "out" };

  const caller = (): Caller => ({ cookies, headers: arrival.caller });

  function tell(setCookies: readonly string[]): void {
    pending = merge(pending, setCookies);
    cookies = apply(cookies, setCookies);
  }

  function settle(outcome: Grant | Ended): void {
    tell(outcome.setCookies);
    state = "ended" in outcome ? { kind: "out" } : { kind: "in", proof: outcome };
  }

  async function exchange(refresh: string): Promise<void> {
    try {
      settle(await chains.refresh(refresh, caller()));
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      tell(error.setCookies);
      throw error.error;
    }
  }

  async function presented(): Promise<Proof | undefined> {
    const access = accessOf(cookies);
    const refresh = refreshOf(cookies);
    const kept = refresh ? chains.kept(refresh) : undefined;
    if (access) {
      const claims = await verify(access).catch((error: unknown) => {
        if (isPortcullisError(error, "invalid_token")) return undefined;
        throw error;
      });
      // Of another session than the refresh cookie: somebody else has set one of the two.
      if (claims && (!kept || kept.claims.sid === claims.sid)) return { access, claims };
    }
    return kept;
  }

  async function arrive(): Promise<void> {
    const refresh = refreshOf(cookies);
    // Two cookies of one name: a sibling of this host may have set one, and nobody knows which.
    if (refresh === null || accessOf(cookies) === null) return;
    let proof: Proof | undefined;
    try {
      proof = await presented();
      if (proof && !isDue(proof.claims, clock.now())) state = { kind: "in", proof };
      else if (refresh) await exchange(refresh);
      else if (proof && isGood(proof.claims, clock.now())) state = { kind: "in", proof };
    } catch (error) {
      if (!isPortcullisError(error)) throw error;
      const isEnough = proof && isGood(proof.claims, clock.now());
      state = isEnough && proof ? { kind: "in", proof } : { kind: "unavailable", problem: error };
    }
  }

  async function refused(token: string): Promise<string | null> {
    if (state.kind !== "in") return null;
    const { proof } = state;
    const newest = chains.newest(proof.claims.sid);
    if (newest && newest.claims.gen > proof.claims.gen) {
      settle(newest);
    } else {
      const refresh = refreshOf(cookies);
      const isYoung = clock.now() < Math.min(proof.claims.iat * 1000 + GRACE, proof.claims.exp * 1000);
      if (isWritten || !refresh || (isYoung && (await isAccepted(token)))) return null;
      await exchange(refresh);
    }
    const now = state as State;
    return now.kind === "in" && now.proof.access !== token ? now.proof.access : null;
  }

  function me(token: string): Promise<User> {
    const headers = { authorization: `Bearer ${token}`, accept: "application/json" };
    return back.send(`${baseUrl}/auth/me`, { headers }).then((answer) => answer.json() as Promise<User>);
  }

  async function isAccepted(token: string): Promise<boolean> {
    try {
      await me(token);
      return true;
    } catch (error) {
      if (isPortcullisError(error, "invalid_token")) return false;
      throw error;
    }
  }

  /** A POST whose answer changes the cookies. */
  async function post(path: string, body: object): Promise<{ body: unknown; setCookies: readonly string[] }> {
    if (foreign) {
      const message = "A page of another site has sent this. If that site is yours, add it to `origins`.";
      throw new PortcullisError("csrf_failed", message, { status: 403 });
    }
    try {
      const reply = await back.post(path, body, caller());
      tell(reply.setCookies);
      return reply;
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      tell(error.setCookies);
      throw error.error;
    }
  }

  async function signIn(path: string, body: object): Promise<Claims | null> {
    const reply = await post(path, { ...body, delivery: "cookies" });
    const isSignedIn = (reply.body as Partial<TokenResponse> | undefined)?.session_id !== undefined;
    if (!isSignedIn) return null;
    const grant = await chains.take(reply.body, reply.setCookies);
    if (state.kind === "in" && state.proof.claims.sid !== grant.claims.sid) chains.end(state.proof.claims.sid);
    state = { kind: "in", proof: grant };
    return grant.claims;
  }

  function statusNow(): VisitStatus {
    if (state.kind === "unavailable") return "unavailable";
    if (state.kind === "out") return "signed_out";
    if (state.proof.claims.pwd_change) return "must_change_password";
    return state.proof.claims.read_only && isUnsafe(arrival.method) ? "read_only" : "signed_in";
  }

  const proofNow = () => (state.kind === "in" && statusNow() === "signed_in" ? state.proof : null);
  const { services } = parts;

  await arrive();
  return {
    get status() {
      return statusNow();
    },
    get claims() {
      return proofNow()?.claims ?? null;
    },
    get problem() {
      return state.kind === "unavailable" ? state.problem : null;
    },
    get accessToken() {
      return proofNow()?.access ?? null;
    },
    fetch: createAuthorisedFetch({
      fetch: parts.fetch,
      base: baseUrl,
      origins: services,
      token: () => Promise.resolve(proofNow()?.access ?? null),
      refused,
    }),
    async getUser() {
      const proof = state.kind === "in" ? state.proof : null;
      if (!proof) return null;
      try {
        return await me(proof.access);
      } catch (error) {
        if (!isPortcullisError(error, "invalid_token")) throw error;
        const next = await refused(proof.access);
        return next === null ? null : me(next);
      }
    },
    login: async (credentials) => (await signIn("/auth/login", credentials)) as Claims,
    loginWithFactor: async (answer) => (await signIn("/auth/login/factor", factorBody(answer))) as Claims,
    register: ({ inviteCode, accountInviteCode, ...rest }) =>
      signIn("/auth/register", { ...rest, invite_code: inviteCode, account_invite_code: accountInviteCode }),
    async logout() {
      await post("/auth/logout", {});
      if (state.kind === "in") chains.end(state.proof.claims.sid);
      state = { kind: "out" };
    },
    setCookies() {
      isWritten = true;
      // Other requests of this session may have ended it, or gone further, while this one was slow.
      if (state.kind === "in" && chains.isOver(state.proof.claims.sid)) return pending.filter(isGone);
      const newest = pending.length > 0 && state.kind === "in" ? chains.newest(state.proof.claims.sid) : undefined;
      return newest ? merge(pending, newest.setCookies) : pending;
    },
    cookieHeader() {
      const access = state.kind === "in" ? state.proof.access : undefined;
      // Where the browser has no cookie with it, what renders the page would have to refresh, and cannot.
      return serialise(access === undefined || accessOf(cookies) === access ? cookies : withAccess(cookies, access));
    },
  };
}

function isGood(claims: Claims, now: number): boolean {
  return claims.exp * 1000 > now;
}

function isDue(claims: Claims, now: number): boolean {
  return claims.exp * 1000 - Math.min(AHEAD, (claims.exp - claims.iat) * 250) <= now;
}
