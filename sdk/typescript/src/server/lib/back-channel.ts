/**
 * Asks Portcullis in the name of a browser: with its cookies of ours and no others, from an origin that Portcullis
 * trusts, and with the CSRF token of its session. What is answered about cookies goes back to the browser.
 */
import { PortcullisError } from "../../errors.js";
import { isPortcullisError } from "../../is-portcullis-error.js";
import { type Clock, pause } from "../../lib/clock.js";
import { errorOf } from "../../lib/problem.js";
import { apply, merge, ours, type Pair, serialise, valueOf } from "./cookies.js";

/** A browser, as far as Portcullis has to know it. */
export interface Caller {
  readonly cookies: readonly Pair[];
  /** Passed on: `User-Agent`, and the address if it is known. */
  readonly headers: Record<string, string>;
}

/** What Portcullis answered. */
export interface Reply {
  /** Parsed JSON; `undefined` if there was none. */
  readonly body: unknown;
  readonly setCookies: readonly string[];
}

/** A failure that changes cookies too. */
export class Refused extends Error {
  constructor(
    readonly error: PortcullisError,
    readonly setCookies: readonly string[],
  ) {
    super(error.message);
  }
}

export interface BackChannelParts {
  readonly baseUrl: string;
  /** What `Origin` says: Portcullis' own. */
  readonly origin: string;
  readonly fetch: typeof fetch;
  readonly clock: Clock;
  readonly timeout: number;
}

export interface BackChannel {
  /** Any request, with an answer of success; rejects with {@link PortcullisError}. */
  send(url: string, init?: RequestInit): Promise<Response>;
  /** A POST with proof. Rejects with {@link Refused}, or with {@link PortcullisError} if there was no answer. */
  post(path: string, body: object, caller: Caller): Promise<Reply>;
}

export function createBackChannel({ baseUrl, origin, fetch, clock, timeout }: BackChannelParts): BackChannel {
  async function exchange<T>(url: string, init: RequestInit, use: (response: Response) => Promise<T>): Promise<T> {
    const ended = new AbortController();
    const timer = clock.setTimeout(() => ended.abort(), timeout);
    try {
      return await use(await fetch(url, { redirect: "manual", cache: "no-store", ...init, signal: ended.signal }));
    } catch (cause) {
      if (cause instanceof Refused || isPortcullisError(cause)) throw cause;
      const why = ended.signal.aborted ? `did not answer in ${timeout / 1000} s` : "could not be reached";
      throw new PortcullisError("network_error", `Portcullis at ${baseUrl} ${why}.`, { cause });
    } finally {
      clock.clearTimeout(timer);
    }
  }

  function ask(method: string, path: string, caller: Caller, more: Record<string, string>, body?: object) {
    const headers = {
      ...caller.headers,
      ...more,
      accept: "application/json",
      cookie: serialise(ours(caller.cookies)),
      origin,
      ...(body && { "content-type": "application/json" }),
    };
    const init: RequestInit = { method, headers, ...(body && { body: JSON.stringify(body) }) };
    return exchange(baseUrl + path, init, async (response): Promise<Reply> => {
      const setCookies = response.headers.getSetCookie();
      if (!response.ok) throw new Refused(await errorOf(response), setCookies);
      const text = await response.text();
      return { body: text === "" ? undefined : JSON.parse(text), setCookies };
    });
  }

  return {
    send: (url, init = {}) =>
      exchange(url, init, async (response) => {
        if (!response.ok) throw await errorOf(response);
        // Read within the time that is allowed.
        return new Response(await response.arrayBuffer(), { headers: response.headers });
      }),

    async post(path, body, caller) {
      const send = (ask: () => Promise<Reply>) => (REPEATABLE.includes(path) ? again(clock, ask) : ask());
      const known = valueOf(caller.cookies, "csrftoken");
      const isSession = caller.cookies.some(([name]) => /pc_(?:act_)?refresh$/.test(name));
      if (known || !isSession) {
        const first: Record<string, string> = known ? { "x-csrftoken": known } : {};
        try {
          return await send(() => ask("POST", path, caller, first, body));
        } catch (error) {
          if (!(error instanceof Refused) || error.error.code !== "csrf_failed") throw error;
        }
      }
      const csrf = await ask("GET", "/auth/csrf", caller, {});
      const cookies = apply(caller.cookies, csrf.setCookies);
      const proof = { "x-csrftoken": (csrf.body as { csrf_token: string }).csrf_token };
      const reply = await send(() => ask("POST", path, { ...caller, cookies }, proof, body));
      return { ...reply, setCookies: merge(csrf.setCookies, reply.setCookies) };
    },
  };
}

/** What does the same when it is done twice. A sign-in would be two sessions, a second factor is spent by the first. */
const REPEATABLE = ["/auth/refresh", "/auth/logout"];
/** Milliseconds between the two tries. */
const SECOND_TRY = 200;

/** A lost answer is asked for once more: within the grace that is the same answer. */
async function again<T>(clock: Clock, ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    const isFault = error instanceof Refused ? error.error.status >= 500 : isPortcullisError(error, "network_error");
    if (!isFault) throw error;
    await pause(clock, SECOND_TRY);
    return ask();
  }
}
