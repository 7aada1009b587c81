import type { ServerAuth } from "./create-server-auth.js";
import type { Visit } from "./visit.js";

/**
 * For servers that take a `Request` and answer a `Response`: opens a visit, and writes its cookies into the answer.
 *
 * ```ts
 * import { createServerAuth, withAuth } from "@portcullis/client/server";
 *
 * const auth = createServerAuth({ baseUrl: "http://127.0.0.1:8400" });
 * export default {
 *   fetch: withAuth(auth, (request, visit) => new Response(`Hello, ${visit.claims?.sub ?? "whoever you are"}`)),
 * };
 * ```
 */
export function withAuth<More extends unknown[]>(
  auth: ServerAuth,
  handle: (request: Request, visit: Visit, ...more: More) => Response | Promise<Response>,
): (request: Request, ...more: More) => Promise<Response> {
  return async (request, ...more) => {
    const visit = await auth.open(request);
    return withCookies(await handle(request, visit, ...more), visit);
  };
}

/** The answer with the cookies of a visit. An answer that sets some is for nobody else, and no cache may keep it. */
export function withCookies(answer: Response, visit: Visit): Response {
  const setCookies = visit.setCookies();
  if (setCookies.length === 0) return answer;
  // Headers of an answer that came from elsewhere cannot be changed.
  const { status, statusText } = answer;
  const headers = new Headers(answer.headers);
  for (const text of setCookies) headers.append("set-cookie", text);
  headers.set("cache-control", "private, no-store");
  return new Response(answer.body, { status, statusText, headers });
}
