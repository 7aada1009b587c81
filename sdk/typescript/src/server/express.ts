/**
 * For Express, and for anything else that hands on Node's own requests and answers.
 *
 * @packageDocumentation
 */
import type { ServerAuth } from "./create-server-auth.js";
import type { Visit } from "./visit.js";

/** The part of Node's `IncomingMessage` that is used. */
export interface NodeRequest extends AsyncIterable<Uint8Array> {
  readonly method?: string | undefined;
  readonly url?: string | undefined;
  /** Set by Express, where `url` lacks what the router has taken off. */
  readonly originalUrl?: string;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  auth?: Visit;
}

/** The part of Node's `ServerResponse` that is used. */
export interface NodeResponse {
  readonly destroyed: boolean;
  statusCode: number;
  /** Replaced, to add cookies when it is called. */
  writeHead(status: number, ...more: never[]): unknown;
  /** As of Node. */
  getHeader(name: string): number | string | readonly string[] | undefined;
  /** As of Node. */
  setHeader(name: string, value: string | readonly string[]): unknown;
  /** As of Node. */
  write(part: Uint8Array): boolean;
  /** As of Node. */
  end(): unknown;
  /** As of Node. */
  once(event: "drain" | "close", listener: () => void): unknown;
  /** As of Node. */
  off(event: "drain" | "close", listener: () => void): unknown;
}

declare global {
  // Express' own way to say what a middleware adds.
  // eslint-disable-next-line @typescript-eslint/no-namespace
  namespace Express {
    interface Request {
      auth?: Visit;
    }
  }
}

/**
 * Middleware: opens a visit as `request.auth`, and writes its cookies when the head of the answer is written.
 *
 * ```ts
 * import { createServerAuth } from "@portcullis/client/server";
 * import { expressAuth } from "@portcullis/client/server/express";
 *
 * const visits = expressAuth(createServerAuth({ baseUrl: "http://127.0.0.1:8400" }));
 * // app.use(visits)
 * ```
 */
export function expressAuth(
  auth: ServerAuth,
): (request: NodeRequest, response: NodeResponse, next: (error?: unknown) => void) => void {
  return (request, response, next) => {
    auth.open({ method: request.method ?? "GET", headers: headersOf(request) }).then((visit) => {
      request.auth = visit;
      const writeHead = response.writeHead.bind(response);
      response.writeHead = (status, ...more) => {
        response.writeHead = writeHead;
        return writeHead(status, ...addCookies(response, visit.setCookies(), more));
      };
      next();
    }, next);
  };
}

/**
 * Answers `/auth/*` by handing it on to Portcullis. Goes before anything that reads bodies.
 *
 * ```ts
 * import { createServerAuth } from "@portcullis/client/server";
 * import { expressHandler } from "@portcullis/client/server/express";
 *
 * const proxy = expressHandler(createServerAuth({ baseUrl: "http://127.0.0.1:8400" }));
 * // app.use("/auth", proxy)
 * ```
 */
export function expressHandler(
  auth: ServerAuth,
): (request: NodeRequest, response: NodeResponse, next: (error?: unknown) => void) => void {
  return (request, response, next) => {
    const ended = new AbortController();
    const gone = () => ended.abort();
    response.once("close", gone);
    auth
      .handler(requestOf(request, ended.signal))
      .then((answer) => send(answer, response))
      .catch((error: unknown) => ended.signal.aborted || next(error))
      .finally(() => response.off("close", gone));
  };
}

type Line = readonly [name: string, value: unknown];

/**
 * Adds cookies to those that the answer has. Headers that `writeHead` gets take the place of those that were set before:
 * returned is what is left of them, so that ours stand.
 */
function addCookies(response: NodeResponse, setCookies: readonly string[], more: never[]): never[] {
  if (setCookies.length === 0) return more;
  const given: unknown = more.at(-1);
  const lines = typeof given === "object" && given !== null ? linesOf(given) : [];
  const own = lines.filter(([name]) => name.toLowerCase() === "set-cookie").flatMap(([, value]) => value);
  const before = own.length > 0 ? own : [response.getHeader("set-cookie") ?? []].flat();
  response.setHeader("set-cookie", [...before.map(String), ...setCookies]);
  response.setHeader("cache-control", "private, no-store");
  const left = lines.filter(([name]) => !/^(?:set-cookie|cache-control)$/i.test(name));
  if (left.length === lines.length) return more;
  return [...more.slice(0, -1), Array.isArray(given) ? left.flat() : Object.fromEntries(left)] as never[];
}

/** Headers in any form that Node takes: an object, a flat list, or a list of pairs. */
function linesOf(given: object): Line[] {
  if (!Array.isArray(given)) return Object.entries(given);
  if (given.some(Array.isArray)) return given as Line[];
  return given.flatMap((name, at): Line[] => (at % 2 === 0 ? [[String(name), given[at + 1]]] : []));
}

function headersOf({ headers }: NodeRequest): Headers {
  const copy = new Headers();
  for (const [name, value] of Object.entries(headers)) {
    for (const one of [value ?? []].flat()) copy.append(name, one);
  }
  return copy;
}

function requestOf(request: NodeRequest, signal: AbortSignal): Request {
  const { method = "GET" } = request;
  // Only path and query are looked at.
  const url = new URL(request.originalUrl ?? request.url ?? "/", "http://localhost");
  const hasBody = method !== "GET" && method !== "HEAD";
  const body = hasBody ? { body: streamOf(request), duplex: "half" } : {};
  return new Request(url, { method, headers: headersOf(request), signal, ...body } as RequestInit);
}

function streamOf(parts: AsyncIterable<Uint8Array>): ReadableStream<Uint8Array> {
  const iterator = parts[Symbol.asyncIterator]();
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = await iterator.next();
      if (done) controller.close();
      else controller.enqueue(value);
    },
    cancel: () => void iterator.return?.(),
  });
}

async function send(answer: Response, response: NodeResponse): Promise<void> {
  response.statusCode = answer.status;
  for (const [name, value] of answer.headers) if (name !== "set-cookie") response.setHeader(name, value);
  const setCookies = answer.headers.getSetCookie();
  if (setCookies.length) response.setHeader("set-cookie", setCookies);
  const reader = answer.body?.getReader();
  for (let part = await reader?.read(); part && !part.done; part = await reader?.read()) {
    if (!response.write(part.value)) await new Promise<void>((resolve) => response.once("drain", resolve));
  }
  response.end();
}
