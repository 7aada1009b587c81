/**
 * What this process knows of chains of refresh tokens, so that many requests of one browser are one refresh.
 *
 * 1. Requests that come with the same refresh cookie share one exchange, and its outcome for as long as Portcullis
 *    itself would answer with the same successor. Between processes that rule alone holds.
 * 2. The newest tokens of each session are remembered: what is written to a browser never goes back a generation, however
 *    late a slow answer is written.
 * 3. So are those that a browser gets by itself, from answers that are only handed on.
 * 4. A session whose access token stands in no cookie (`delivery: "cookie"`) gets one here, which is kept until it
 *    expires.
 *
 * Nothing is kept of failures, and of refusals only that a session has ended.
 */
import type { TokenResponse } from "../../generated/schemas.js";
import { isPortcullisError } from "../../is-portcullis-error.js";
import type { Clock } from "../../lib/clock.js";
import type { Claims } from "../claims.js";
import { type BackChannel, type Caller, Refused } from "./back-channel.js";
import { apply, clearsSession, type Pair, valueOf } from "./cookies.js";
import type { Verify } from "./verify.js";

/** Milliseconds: a little less than Portcullis answers with the same successor, which it does for 60 s. */
const SHARED = 55_000;
/** Sessions that are remembered; the oldest are forgotten first, which costs a refresh and no more. */
const MOST = 10_000;

/** Tokens were handed out, and nobody can tell now whose they are. */
class Unverified extends Refused {}

/** Tokens of a session at one generation. */
export interface Grant {
  readonly access: string;
  readonly claims: Claims;
  /** What the browser has to be told. */
  readonly setCookies: readonly string[];
  /** The refresh cookie as it is from then on. */
  readonly refresh: string | undefined;
}

/** The session is over; what the browser has to be told. */
export interface Ended {
  readonly ended: true;
  readonly setCookies: readonly string[];
}

export interface Chains {
  /**
   * Exchanges the refresh cookie of a browser. Rejects with {@link Refused} if Portcullis could not say whether it is good,
   * or what it gave could not be verified: then too the browser has to be told of it.
   */
  refresh(token: string, caller: Caller): Promise<Grant | Ended>;
  /** Takes what a sign-in answered, or a refresh of the token `from`. Returns the newest tokens of that session. */
  take(body: unknown, setCookies: readonly string[], from?: string): Promise<Grant>;
  /** The newest tokens of a session, if this process has made any. */
  newest(sid: string): Grant | undefined;
  /** What was made here for a refresh cookie. */
  kept(token: string): Grant | undefined;
  /** The session has ended. */
  end(sid: string): void;
  /** Whether it has: nothing of it may be written any more. */
  isOver(sid: string): boolean;
}

const ENDS = ["invalid_token", "refresh_revoked", "refresh_expired", "refresh_reused", "missing_token"] as const;

export function createChains(back: BackChannel, verify: Verify, clock: Clock): Chains {
  const running = new Map<string, Promise<Grant | Ended>>();
  const shared = new Map<string, { readonly until: number; readonly grant: Grant }>();
  const byToken = new Map<string, Grant>();
  const bySession = new Map<string, Grant>();
  // A slow answer must not bring back a session that was ended meanwhile.
  const over = new Map<string, true>();

  function remember(grant: Grant): Grant {
    if (over.has(grant.claims.sid)) return grant;
    const before = bySession.get(grant.claims.sid);
    if (before && before.claims.gen > grant.claims.gen) return before;
    if (before?.refresh !== undefined) byToken.delete(before.refresh);
    set(bySession, grant.claims.sid, grant);
    if (grant.refresh !== undefined) set(byToken, grant.refresh, grant);
    return grant;
  }

  async function take(body: unknown, setCookies: readonly string[], from?: string): Promise<Grant> {
    const told = apply([], setCookies);
    const access = (body as Partial<TokenResponse> | undefined)?.access_token ?? accessOf(told) ?? "";
    const claims = await verify(access);
    const grant = remember({ access, claims, setCookies, refresh: refreshOf(told) ?? undefined });
    if (from !== undefined) set(shared, from, { until: clock.now() + SHARED, grant });
    return grant;
  }

  async function exchange(token: string, caller: Caller): Promise<Grant | Ended> {
    try {
      const { body, setCookies } = await back.post("/auth/refresh", {}, caller);
      const grant = await take(body, setCookies, token).catch((error: unknown) => {
        throw isPortcullisError(error) ? new Unverified(error, setCookies) : error;
      });
      return over.has(grant.claims.sid) ? { ended: true, setCookies: [] } : grant;
    } catch (error) {
      if (!(error instanceof Refused) || error instanceof Unverified) throw error;
      if (error.error.status !== 401 || !isPortcullisError(error.error, ...ENDS)) throw error;
      // Where nothing is cleared the browser has been given another token since, and the session goes on by that one.
      const sid = error.setCookies.some(clearsSession) ? byToken.get(token)?.claims.sid : undefined;
      if (sid !== undefined) end(sid);
      return { ended: true, setCookies: error.setCookies };
    }
  }

  function end(sid: string): void {
    const grant = bySession.get(sid);
    if (grant?.refresh !== undefined) byToken.delete(grant.refresh);
    bySession.delete(sid);
    set(over, sid, true);
  }

  return {
    take,
    refresh(token, caller) {
      const recent = shared.get(token);
      if (recent && recent.until > clock.now()) {
        const isOver = over.has(recent.grant.claims.sid);
        return Promise.resolve(isOver ? { ended: true, setCookies: [] } : recent.grant);
      }
      shared.delete(token);
      const known = running.get(token);
      if (known) return known;
      const started = exchange(token, caller).finally(() => running.delete(token));
      running.set(token, started);
      return started;
    },
    newest: (sid) => bySession.get(sid),
    kept: (token) => byToken.get(token),
    end,
    isOver: (sid) => over.has(sid),
  };
}

/** Puts an entry last, and drops the first ones that are too many. */
function set<Value>(map: Map<string, Value>, key: string, value: Value): void {
  map.delete(key);
  map.set(key, value);
  for (const oldest of map.keys()) {
    if (map.size <= MOST) return;
    map.delete(oldest);
  }
}

/** While an administrator acts as somebody, the cookies of that stand beside their own, and count. */
export function refreshOf(pairs: readonly Pair[]): string | null | undefined {
  const acting = valueOf(pairs, "pc_act_refresh");
  return acting === undefined ? valueOf(pairs, "pc_refresh") : acting;
}

export function accessOf(pairs: readonly Pair[]): string | null | undefined {
  const acting = valueOf(pairs, "pc_act_access");
  if (acting !== undefined || valueOf(pairs, "pc_act_refresh") !== undefined) return acting;
  return valueOf(pairs, "pc_access");
}

/** The cookies with another access token, under the name that goes with the refresh cookie's. */
export function withAccess(pairs: readonly Pair[], access: string): Pair[] {
  const refresh = valueOf(pairs, "pc_act_refresh") === undefined ? "pc_refresh" : "pc_act_refresh";
  const name = pairs.find(([known]) => known.endsWith(refresh))?.[0] ?? refresh;
  const wanted = name.replace(/refresh$/, "access");
  return [...pairs.filter(([known]) => known !== wanted), [wanted, access]];
}
