/** Hands `/auth/*` of a site on to Portcullis, so that its cookies are the site's own. */
import { PortcullisError } from "../../errors.js";
import type { Pair } from "./cookies.js";
import { note, type NoteParts } from "./note.js";

/** Hop by hop (RFC 9110 section 7.6.1), or about a form of the body that is gone when it arrives here. */
const DROPPED_FROM_REQUEST =
  /^(?:host|connection|keep-alive|proxy-.*|te|trailer|transfer-encoding|upgrade|expect|content-length|forwarded|x-forwarded-.*|x-real-ip)$/;
const DROPPED_FROM_ANSWER = /^(?:connection|keep-alive|proxy-.*|te|trailer|transfer-encoding|upgrade|content-length|content-encoding)$/;

export interface ProxyParts extends NoteParts {
  readonly baseUrl: string;
  readonly fetch: typeof fetch;
}

/** Who asks: their cookies of ours, and what Portcullis is told of them. */
export interface PassedOn {
  readonly cookies: readonly Pair[];
  readonly headers: Record<string, string>;
}

/** Passes a request on. Its answer comes as it is, redirects too; but never with cookies that are older than the newest. */
export async function passOn(parts: ProxyParts, request: Request, caller: PassedOn): Promise<Response> {
  const { pathname, search } = new URL(request.url);
  if (!/^\/auth\//.test(pathname)) return new Response("Not found", { status: 404 });
  const headers = kept(request.headers, DROPPED_FROM_REQUEST);
  for (const [name, value] of Object.entries(caller.headers)) headers.set(name, value);
  let setCookies: string[] = [];
  try {
    const answer = await parts.fetch(parts.baseUrl + pathname + search, {
      method: request.method,
      headers,
      redirect: "manual",
      signal: request.signal,
      ...(request.body && { body: request.body, duplex: "half" }),
    } as RequestInit);
    setCookies = answer.headers.getSetCookie();
    const asked = { path: pathname, cookies: caller.cookies, authorization: request.headers.get("authorization") };
    const init = { status: answer.status, headers: kept(answer.headers, DROPPED_FROM_ANSWER) };
    return await note(parts, asked, new Response(answer.body, init));
  } catch (cause) {
    request.signal.throwIfAborted();
    return unavailable(new PortcullisError("network_error", "Portcullis could not be reached.", { cause }), setCookies);
  }
}

function kept(headers: Headers, dropped: RegExp): Headers {
  const copy = new Headers();
  for (const [name, value] of headers) if (!dropped.test(name)) copy.append(name, value);
  return copy;
}

/** In the form of Portcullis' own refusals: a fault, which signs nobody out. */
function unavailable(error: PortcullisError, setCookies: readonly string[]): Response {
  const body = { type: "about:blank", title: "Portcullis is unavailable", status: 503, detail: error.message };
  const facts = { "content-type": "application/problem+json", "cache-control": "no-store", "retry-after": "1" };
  const headers = new Headers(facts);
  // An answer that broke off has rotated all the same.
  for (const line of setCookies) headers.append("set-cookie", line);
  return new Response(JSON.stringify({ ...body, code: "issuer_unavailable" }), { status: 503, headers });
}
