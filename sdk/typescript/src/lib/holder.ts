import type { TokenResponse } from "../generated/schemas.js";
import type { Session, SignOutReason } from "../session.js";
import { type Order, readClaims } from "./claims.js";
import type { ServerTime } from "./server-time.js";

/** An access token and whose it is. Times are the issuer's, in milliseconds since the Unix epoch. */
export interface Held extends Order {
  readonly token: string;
  readonly session: Session;
  readonly issuedAt: number;
  readonly expiresAt: number;
}

/** A token response as pages get it, with the access token in it. */
export type Tokens = Omit<TokenResponse, "access_token" | "refresh_token"> & { readonly access_token: string };

/** Tells of a change: by whom, and why nobody is signed in if nobody is. */
export type HolderListener = (held: Held | null, how: "own" | "other", reason?: SignOutReason) => void;

/** The memory of one tab, the only place where an access token is kept. */
export interface Holder {
  /** `null`: nobody is signed in; `undefined`: not known yet. */
  readonly held: Held | null | undefined;
  /** Takes what another tab has, unless this tab's is newer. */
  offer(held: Held): void;
  /** Takes what Portcullis has answered. */
  take(tokens: Tokens): Held;
  /** Takes what a refresh has answered, unless its session was ended meanwhile. */
  renew(tokens: Tokens): void;
  /** The same token with other facts about the session. */
  update(session: Session): void;
  /** A session has ended, for good; if it is the one here, nobody is signed in. `undefined`: there was none. */
  end(sid: string | undefined, reason: SignOutReason, how: "own" | "other"): void;
  /** Returns how to stop it. */
  listen(listener: HolderListener): () => void;
}

export function createHolder(time: ServerTime): Holder {
  const listeners = new Set<HolderListener>();
  // A message that was on its way when its session ended must not bring it back.
  const ended = new Set<string>();
  // Only these are over: one in whose place another was put goes on when that has ended, after acting as somebody.
  const over = new Set<string>();
  let held: Held | null | undefined;

  function set(next: Held | null, how: "own" | "other", reason?: SignOutReason): void {
    // Another session took its place: signing in ends the one before.
    if (held && next && held.sid !== next.sid) ended.add(held.sid);
    held = next;
    for (const listener of [...listeners]) listener(next, how, reason);
  }

  function take(tokens: Tokens): Held {
    const next = heldOf(tokens, time.now());
    set(next, "own");
    return next;
  }

  return {
    get held() {
      return held;
    },
    offer(other) {
      if (ended.has(other.sid)) return;
      if (!held || isNewer(other, held) || (other.token === held.token && differs(other.session, held.session))) {
        set(other, "other");
      }
    },
    take,
    renew(tokens) {
      if (!over.has(tokens.session_id)) take(tokens);
    },
    update(session) {
      if (held && differs(session, held.session)) set({ ...held, session }, "own");
    },
    end(sid, reason, how) {
      if (sid) {
        ended.add(sid);
        over.add(sid);
      }
      if (held !== null && held?.sid === sid) set(null, how, reason);
    },
    listen(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
}

function heldOf(tokens: Tokens, now: number): Held {
  const { gen = 0, iat = now / 1000 } = readClaims(tokens.access_token);
  return {
    token: tokens.access_token,
    sid: tokens.session_id,
    gen,
    iat,
    issuedAt: now,
    expiresAt: now + tokens.expires_in * 1000,
    session: {
      id: tokens.session_id,
      user: tokens.user,
      mustChangePassword: tokens.must_change_password,
      mustSetUpFactor: tokens.must_set_up_factor,
    },
  };
}

/** Within a session the generation decides: a clock cannot set it back. */
function isNewer(a: Held, b: Held): boolean {
  if (a.sid !== b.sid) return a.iat >= b.iat;
  return a.gen > b.gen || (a.gen === b.gen && a.expiresAt > b.expiresAt);
}

/** Whether two tell different things about a session. */
export function differs(a: Session | null | undefined, b: Session | null | undefined): boolean {
  return JSON.stringify(a) !== JSON.stringify(b);
}
