import type { User } from "./generated/schemas.js";
import { createAuthorisedFetch } from "./lib/authorised-fetch.js";
import { abortable } from "./lib/abortable.js";
import type { Clock } from "./lib/clock.js";
import { type Core, core } from "./lib/core.js";
import { createEngine } from "./lib/engine.js";
import { environmentOf } from "./lib/environment.js";
import { factorBody } from "./lib/factor-body.js";
import type { HolderListener } from "./lib/holder.js";
import { differs } from "./lib/holder.js";
import type { Locks } from "./lib/locks.js";
import type { Page } from "./lib/page.js";
import type { Channel } from "./lib/tabs.js";
import type { Credentials, FactorAnswer, Registered, Registration } from "./requests.js";
import type { Session, SignOutReason } from "./session.js";

/** What a client is made of. Only `baseUrl` is needed. */
export interface ClientOptions {
  /** Where Portcullis is: `https://auth.example.org`, or a path of the page's own origin. */
  readonly baseUrl: string;
  /** Origins of your services. They get the access token, as do the page's own origin and that of `baseUrl`. */
  readonly services?: readonly string[];
  /** Asks for access tokens for this audience only, one of `tokens.audience`. Without it they are good for all. */
  readonly audience?: string;
  /** Milliseconds until an answer of Portcullis is no longer waited for; 15 000. */
  readonly timeout?: number;
  /** Instead of the global one. */
  readonly fetch?: typeof fetch;
  /** Instead of this machine's. */
  readonly clock?: Clock;
  /** Instead of `navigator.locks`. */
  readonly locks?: Locks;
  /** Instead of `BroadcastChannel`: opens the channel of a name. */
  readonly channel?: (name: string) => Channel | undefined;
  /** Instead of the page around. */
  readonly page?: Page;
}

/** Every call takes a signal: who aborts gets the signal's reason, and what others wait for goes on. */
export interface CallOptions {
  readonly signal?: AbortSignal;
}

/** One application's view of who is signed in. */
export interface Client {
  /**
   * Signs in. A session that this browser has already ends.
   *
   * Rejects with `invalid_credentials` (wrong, unknown and disabled alike), `email_not_verified`, `rate_limited`; with
   * {@link SecondFactorRequired} go on with {@link Client.loginWithFactor}.
   */
  login(credentials: Credentials, options?: CallOptions): Promise<Session>;
  /**
   * Signs in with the factor that {@link SecondFactorRequired} asked for. Rejects with `wrong_code`, after which the
   * challenge is still good; with `invalid_challenge`, after which one signs in from the start.
   */
  loginWithFactor(answer: FactorAnswer, options?: CallOptions): Promise<Session>;
  /** Signs up, and in, if the address need not be confirmed first. Rejects with `email_taken`, `validation_failed`. */
  register(registration: Registration, options?: CallOptions): Promise<Registered>;
  /**
   * Signs out, in all tabs. When it resolves, the session and its access tokens are dead. Rejects if that could not be
   * done (offline, say): then the user is still signed in, and should be told so.
   */
  logout(options?: CallOptions): Promise<void>;
  /** Ends every session of the user, on all devices. */
  logoutEverywhere(options?: CallOptions): Promise<void>;
  /**
   * Gets a new access token now, when a changed role shall show at once, say. Needs not be called otherwise. `null`:
   * nobody is signed in.
   */
  refresh(options?: CallOptions): Promise<Session | null>;
  /**
   * `fetch` with the access token, for your services. Renews it when it is due, and tries once more after a 401 with a
   * newer one. The answer comes as it is: its body can be streamed. A body that is a stream is sent once only; that of a
   * `Request` is kept in memory until the answer is there. When nobody is signed in, the request goes without a token.
   */
  readonly fetch: typeof fetch;
  /** Who is signed in; `null`: nobody. Asks Portcullis after loading the page, and with `fresh`. */
  getUser(options?: CallOptions & { readonly fresh?: boolean }): Promise<User | null>;
  /** The session; `null`: nobody is signed in. Asks Portcullis after loading the page. */
  getSession(options?: CallOptions): Promise<Session | null>;
  /** A token that is good now, for what cannot go through {@link Client.fetch}, such as a WebSocket. Do not keep it. */
  getAccessToken(options?: CallOptions): Promise<string | null>;
  /** What is known without asking; `undefined`: nothing yet. */
  readonly session: Session | null | undefined;
  /** Called whenever the session or something in it changes, in any tab. Returns how to stop it. */
  onChange(listener: (session: Session | null) => void): () => void;
  /** Called when somebody was signed in and no longer is, in any tab and for any cause. Returns how to stop it. */
  onSignedOut(listener: (reason: SignOutReason) => void): () => void;
  /** Ends timers and listeners. The session goes on. */
  close(): void;
  /** @internal */
  readonly [core]: Core;
}

/**
 * Makes a client. One for the whole application: tabs share a session, and so does everything in a tab.
 *
 * ```ts
 * import { createClient } from "@portcullis/client";
 *
 * const auth = createClient({ baseUrl: "https://auth.example.org" });
 * auth.onSignedOut((reason) => location.assign(`/welcome?${reason}`));
 * const user = await auth.getUser();
 * const answer = await auth.fetch("/api/things");
 * ```
 */
export function createClient(options: ClientOptions): Client {
  const environment = environmentOf(options);
  const engine = createEngine(environment);
  const { holder, base } = engine;
  const origins = [base, environment.baseUrl, ...(options.services ?? [])].map((url) => new URL(url, base).origin);

  async function current(): Promise<Session | null> {
    if (holder.held === undefined) await engine.refresh();
    return holder.held?.session ?? null;
  }

  async function freshUser(signal?: AbortSignal): Promise<User | null> {
    if (!(await current())) return null;
    const user = await engine.askAsUser<User>("/auth/me", { signal });
    engine.update({ user });
    return user;
  }

  async function signIn(path: string, body: object, { signal }: CallOptions): Promise<Session> {
    return (await engine.signIn(path, { body, signal })) as Session;
  }

  function changes(listener: (before: Session | null | undefined, ...now: Parameters<HolderListener>) => void) {
    let before = holder.held?.session;
    return holder.listen((held, ...rest) => {
      const last = before;
      before = held?.session;
      listener(last, held, ...rest);
    });
  }

  return {
    login: (credentials, options = {}) => signIn("/auth/login", credentials, options),
    loginWithFactor: (answer, options = {}) => signIn("/auth/login/factor", factorBody(answer), options),
    async register({ inviteCode, accountInviteCode, ...rest }, { signal } = {}) {
      const body = { ...rest, invite_code: inviteCode, account_invite_code: accountInviteCode };
      const session = await engine.signIn("/auth/register", { body, signal });
      return session ? { status: "signed_in", session } : { status: "verification_required" };
    },
    logout: ({ signal } = {}) => engine.signOut(false, signal),
    logoutEverywhere: ({ signal } = {}) => engine.signOut(true, signal),
    async refresh({ signal } = {}) {
      await abortable(engine.refresh(), signal);
      return holder.held?.session ?? null;
    },
    fetch: createAuthorisedFetch({ ...engine, fetch: environment.fetch, origins: new Set(origins) }),
    getUser: async ({ fresh, signal } = {}) =>
      fresh ? freshUser(signal) : ((await abortable(current(), signal))?.user ?? null),
    getSession: ({ signal } = {}) => abortable(current(), signal),
    getAccessToken: ({ signal } = {}) => abortable(engine.token(), signal),
    get session() {
      return holder.held === undefined ? undefined : (holder.held?.session ?? null);
    },
    onChange: (listener) =>
      changes((before, held) => {
        if (differs(before ?? null, held?.session ?? null)) listener(held?.session ?? null);
      }),
    onSignedOut: (listener) =>
      changes((before, held, _how, reason) => {
        if (before && !held && reason) listener(reason);
      }),
    close: engine.close,
    [core]: engine,
  };
}
