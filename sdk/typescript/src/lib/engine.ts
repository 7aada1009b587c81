/** One client, put together: who is signed in, and every way to ask Portcullis. */
import { PortcullisError } from "../errors.js";
import type { User } from "../generated/schemas.js";
import { isPortcullisError } from "../is-portcullis-error.js";
import type { Session } from "../session.js";
import { createBackground, dueAt } from "./background.js";
import type { Core } from "./core.js";
import { createCsrf } from "./csrf.js";
import type { Environment } from "./environment.js";
import { createHolder, type Holder, type Tokens } from "./holder.js";
import { type Ask, createIssuer } from "./issuer.js";
import { createRefresher, type Refresh } from "./refresher.js";
import { createServerTime } from "./server-time.js";
import { createTabs } from "./tabs.js";

/** A token is not refused for its age within so many milliseconds; if it is refused, Portcullis is asked. */
const GRACE = 60_000;
/** With less than so many milliseconds left a token may expire on its way; short ones keep a tenth of their life. */
const RESERVE = 10_000;

export interface Engine extends Core {
  readonly holder: Holder;
  readonly refresh: Refresh;
  /** A token that is good now; `null` if nobody is signed in. */
  token(): Promise<string | null>;
  /** A service did not accept a token: another one to try with, or `null`. */
  refused(token: string): Promise<string | null>;
  /** Ends the session at Portcullis, and then here. */
  signOut(everywhere: boolean, signal?: AbortSignal): Promise<void>;
  close(): void;
}

export function createEngine(environment: Environment): Engine {
  const { baseUrl, clock, locks, page, scope, audience } = environment;
  const time = createServerTime(clock);
  const issuer = createIssuer({ ...environment, time });
  const csrf = createCsrf(issuer, page.cookies);
  const holder = createHolder(time);
  const tabs = createTabs(environment.connect, holder, time);
  const refresh = createRefresher({ clock, csrf, holder, issuer, locks, tabs, scope, audience });
  const background = createBackground({ clock, time, holder, tabs, page, refresh, check });

  /** Sign-ins and refreshes set the cookie: one at a time over all tabs. */
  function alone<T>(signal: AbortSignal | undefined, run: () => Promise<T>): Promise<T> {
    return locks.request(`${scope}:session`, signal ? { signal } : {}, run);
  }

  async function token(): Promise<string | null> {
    if (holder.held === undefined) await refresh();
    const { held } = holder;
    if (!held) return null;
    const reserve = Math.min(RESERVE, (held.expiresAt - held.issuedAt) / 10);
    if (held.expiresAt - time.now() <= reserve) {
      await refresh().catch((error: unknown) => {
        // A Portcullis that is down signs nobody out: what is good is used until its end.
        if (held.expiresAt <= time.now()) throw error;
      });
    } else if (dueAt(held) <= time.now()) {
      background.start();
    }
    return holder.held?.token ?? null;
  }

  // Whether Portcullis itself accepts a token; many may want to know at once.
  let checking: { readonly token: string; readonly result: Promise<boolean> } | undefined;

  function accepts(token: string): Promise<boolean> {
    if (checking?.token !== token) {
      const headers = { authorization: `Bearer ${token}` };
      const result = issuer<User>("/auth/me", { headers }).then(
        (user) => (holder.held?.token === token && update({ user }), true),
        (error: unknown) => {
          if (isPortcullisError(error, "invalid_token")) return false;
          throw error;
        },
      );
      checking = { token, result };
      const done = () => (checking = undefined);
      result.then(done, done);
    }
    return checking.result;
  }

  /** The session may have ended unheard. */
  async function check(): Promise<void> {
    const token = holder.held?.token;
    if (token && !(await accepts(token))) await refused(token, true);
  }

  async function refused(token: string, byIssuer = false): Promise<string | null> {
    const { held } = holder;
    if (held?.token === token) {
      const isYoung = time.now() < Math.min(held.issuedAt + GRACE, held.expiresAt);
      // Not its age, so what is wrong with it? Either the session has changed, or the service says no to good ones.
      if (isYoung && !byIssuer && (await accepts(token))) return null;
      if (holder.held?.token === token) await refresh();
    }
    return holder.held && holder.held.token !== token ? holder.held.token : null;
  }

  async function asUser<T>(send: (headers: Record<string, string>) => Promise<T>): Promise<T> {
    const first = await token();
    if (!first) throw new PortcullisError("signed_out", "Nobody is signed in.");
    try {
      return await send({ authorization: `Bearer ${first}` });
    } catch (error) {
      if (!isPortcullisError(error, "invalid_token")) throw error;
      const next = await refused(first, true);
      if (!next) throw new PortcullisError("signed_out", "The session has ended.", { cause: error });
      return send({ authorization: `Bearer ${next}` });
    }
  }

  function take(tokens: Tokens): Session {
    csrf.forget();
    return holder.take(tokens).session;
  }

  function update(change: Partial<Session>): void {
    if (holder.held) holder.update({ ...holder.held.session, ...change });
  }

  return {
    baseUrl,
    base: page.address ?? baseUrl,
    holder,
    refresh,
    token,
    refused,
    update,
    ask: issuer,
    askAsUser: (path, ask) => asUser((headers) => issuer(path, { ...ask, headers })),
    renew: <T>(path: string, ask: Ask) =>
      asUser((headers) =>
        alone(ask.signal, async () => {
          const answer = await issuer<Tokens & T>(path, { ...ask, headers });
          const session = take(answer);
          const { access_token, ...rest } = answer;
          return { session, answer: rest as T };
        }),
      ),

    signIn(path, ask) {
      if (!page.keepsCookies()) {
        const message = "The browser keeps no cookies for this page. Allow them, and try again.";
        return Promise.reject(new PortcullisError("cookies_disabled", message));
      }
      const body = { ...ask.body, delivery: "cookie", ...(audience !== undefined && { audience }) };
      return alone(ask.signal, async () => {
        const tokens = await csrf.guard(false, (headers) =>
          issuer<Partial<Tokens>>(path, { ...ask, body, headers }),
        );
        return tokens.access_token ? take(tokens as Tokens) : null;
      });
    },

    async signOut(everywhere, signal) {
      // Other tabs are told which session has ended: it has to be known.
      if (holder.held === undefined) await refresh();
      const { held } = holder;
      if (!held) return;
      if (everywhere) {
        await asUser((headers) =>
          alone(signal, () => issuer("/auth/logout/all", { method: "POST", headers, signal })),
        );
      } else {
        const authorization = `Bearer ${held.token}`;
        await alone(signal, () =>
          csrf.guard(true, (proof) =>
            issuer("/auth/logout", { method: "POST", headers: { authorization, ...proof }, signal }),
          ),
        );
      }
      holder.end(held.sid, "signed_out", "own");
    },

    close() {
      background.stop();
      tabs.close();
    },
  };
}
