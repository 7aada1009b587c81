/**
 * For Next.js with the app router. Nothing of Next.js is imported: its `NextResponse` is handed in.
 *
 * @packageDocumentation
 */
import type { Claims } from "./claims.js";
import type { ServerAuth } from "./create-server-auth.js";
import type { Visit } from "./visit.js";
import { withCookies } from "./with-auth.js";

/** The part of `NextResponse` that is used. */
export interface NextResponseLike {
  /** Goes on to the page, with other headers. */
  next(init: { request: { headers: Headers } }): Response;
}

/**
 * The function for `proxy.ts` (`middleware.ts` before Next.js 16): finds out who asks, refreshes if that is due, and hands
 * the new cookies both to the browser and to the pages that are rendered for this request.
 *
 * `decide` may answer in their place, with a redirect to the sign-in page, say. An administrator who only looks changes
 * nothing: what would, a server action too, is answered 403 `read_only_session`.
 */
export function nextProxy<Incoming extends Request>(
  auth: ServerAuth,
  NextResponse: NextResponseLike,
  decide?: (request: Incoming, visit: Visit) => Response | undefined | Promise<Response | undefined>,
): (request: Incoming) => Promise<Response> {
  return async (request) => {
    const visit = await auth.open(request);
    // Server actions are requests of the page itself: nothing behind asks for the method.
    if (visit.status === "read_only") return withCookies(readOnly(), visit);
    const decided = await decide?.(request, visit);
    if (decided) return withCookies(decided, visit);
    const headers = new Headers(request.headers);
    const cookies = visit.cookieHeader();
    if (cookies) headers.set("cookie", cookies);
    else headers.delete("cookie");
    return withCookies(NextResponse.next({ request: { headers } }), visit);
  };
}

/** In the form of Portcullis' own refusals. */
function readOnly(): Response {
  const detail = "You are acting as somebody else, and may look at everything and change nothing.";
  const body = { type: "about:blank", title: "Read-only session", status: 403, detail, code: "read_only_session" };
  const headers = { "content-type": "application/problem+json", "cache-control": "no-store" };
  return new Response(JSON.stringify(body), { status: 403, headers });
}

/** The handlers for `app/auth/[...path]/route.ts`: they hand `/auth/*` on to Portcullis. */
export function nextHandlers(auth: ServerAuth): Record<"GET" | "POST" | "PUT" | "PATCH" | "DELETE", ServerAuth["handler"]> {
  const { handler } = auth;
  return { GET: handler, POST: handler, PUT: handler, PATCH: handler, DELETE: handler };
}

/**
 * Who asks, in server components: `await nextClaims(auth, await headers())`. `null`: nobody.
 *
 * They cannot write cookies, so nothing is refreshed here: {@link nextProxy} has done that before.
 */
export function nextClaims(auth: ServerAuth, headers: Iterable<[string, string]>): Promise<Claims | null> {
  return auth.read(new Headers([...headers]));
}
