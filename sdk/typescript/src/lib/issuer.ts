import { isPortcullisError } from "../is-portcullis-error.js";
import { PortcullisError } from "../errors.js";
import type { Clock } from "./clock.js";
import { errorOf } from "./problem.js";
import type { ServerTime } from "./server-time.js";

/** One request to Portcullis. */
export interface Ask {
  /** `GET`, unless there is a body: then `POST`. */
  readonly method?: string | undefined;
  /** Becomes JSON. */
  readonly body?: object | undefined;
  readonly headers?: Record<string, string> | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Asks Portcullis, and answers with the body; `undefined` if there is none. Rejects with {@link PortcullisError}. */
export type Issuer = <T>(path: string, ask?: Ask) => Promise<T>;

/** What an issuer is made of. */
export interface IssuerParts {
  /** Without a slash at the end. */
  readonly baseUrl: string;
  readonly fetch: typeof fetch;
  readonly clock: Clock;
  readonly time: ServerTime;
  /** Milliseconds after which an answer is no longer waited for. */
  readonly timeout: number;
}

export function createIssuer({ baseUrl, fetch, clock, time, timeout }: IssuerParts): Issuer {
  return async <T>(path: string, { method, body, headers, signal }: Ask = {}): Promise<T> => {
    signal?.throwIfAborted();
    const ended = new AbortController();
    const end = () => ended.abort();
    signal?.addEventListener("abort", end);
    const timer = clock.setTimeout(end, timeout);
    try {
      const response = await fetch(baseUrl + path, {
        method: method ?? (body ? "POST" : "GET"),
        headers: { accept: "application/json", ...(body && { "content-type": "application/json" }), ...headers },
        credentials: "include",
        cache: "no-store",
        signal: ended.signal,
        ...(body && { body: JSON.stringify(body) }),
      });
      time.learn(response.headers);
      if (!response.ok) throw await errorOf(response);
      return (response.status === 204 ? undefined : await bodyOf(response)) as T;
    } catch (cause) {
      signal?.throwIfAborted();
      if (isPortcullisError(cause)) throw cause;
      const why = ended.signal.aborted ? `did not answer in ${timeout / 1000} s` : "could not be reached";
      throw new PortcullisError("network_error", `Portcullis at ${baseUrl} ${why}.`, { cause });
    } finally {
      clock.clearTimeout(timer);
      signal?.removeEventListener("abort", end);
    }
  };
}

/** An answer that breaks off is a fault of the network, one that is complete and no JSON is none of Portcullis'. */
async function bodyOf(response: Response): Promise<unknown> {
  const text = await response.text();
  try {
    return JSON.parse(text);
  } catch (cause) {
    const message = `The answer (status ${response.status}) is not Portcullis'. Is \`baseUrl\` right?`;
    throw new PortcullisError("unexpected_response", message, { status: response.status, cause });
  }
}
