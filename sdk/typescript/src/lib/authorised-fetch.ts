/**
 * `fetch` with the access token.
 *
 * 1. A token that is about to expire is renewed first; one that has a while left is used at once.
 * 2. The answer is handed over as it comes: nothing here reads a body.
 * 3. On a 401, `refused` says with which token to try once more. Bodies that can be read only once are not sent again.
 */
import { PortcullisError } from "../errors.js";
import { abortable } from "./abortable.js";

/** What stands between `fetch` and the session. */
export interface AuthorisedFetchParts {
  readonly fetch: typeof fetch;
  /** Resolves relative addresses. */
  readonly base: string;
  /** Origins that may see the token. */
  readonly origins: ReadonlySet<string>;
  /** A token that is good now; `null` if nobody is signed in. */
  readonly token: () => Promise<string | null>;
  /** A service did not accept `token`: another one to try with, or `null` to leave it at that. */
  readonly refused: (token: string) => Promise<string | null>;
}

export function createAuthorisedFetch(parts: AuthorisedFetchParts): typeof fetch {
  const { base, origins, token, refused } = parts;

  return async (input, init) => {
    const url = new URL(input instanceof Request ? input.url : input, base);
    const headers = new Headers(init?.headers ?? (input instanceof Request ? input.headers : undefined));
    if (headers.has("authorization")) return parts.fetch(input, init);
    if (!origins.has(url.origin)) throw foreign(url.origin);

    const signal = init?.signal ?? (input instanceof Request ? input.signal : undefined);
    const target = input instanceof Request ? input : url.href;
    const send = (bearer: string | null, again: boolean) => {
      if (bearer) headers.set("authorization", `Bearer ${bearer}`);
      // Of a request that may have to be sent again, a copy goes first.
      const request = target instanceof Request && !again ? target.clone() : target;
      return parts.fetch(request, { ...init, headers });
    };

    const first = await abortable(token(), signal);
    const answer = await send(first, false);
    if (answer.status !== 401 || !first) return answer;
    const next = await abortable(refused(first), signal);
    if (!next || init?.body instanceof ReadableStream) return answer;
    await answer.body?.cancel();
    return send(next, true);
  };
}

function foreign(origin: string): PortcullisError {
  const message = `The access token does not go to ${origin}. If that is a service of yours, add it to \`services\`.`;
  return new PortcullisError("foreign_origin", message);
}
