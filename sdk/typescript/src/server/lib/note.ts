/**
 * What an answer that is handed on to a browser does to its session. No visit has seen it, and chains must know all the same:
 * else they would write cookies that are older than what the browser has just been given.
 */
import { accessOf, type Chains, type Grant, refreshOf } from "./chains.js";
import { apply, isSession, merge, type Pair, parseCookies } from "./cookies.js";
import type { Verify } from "./verify.js";

export interface NoteParts {
  readonly chains: Chains;
  readonly verify: Verify;
}

/** The browser's side of an exchange. */
export interface Asked {
  readonly path: string;
  readonly cookies: readonly Pair[];
  readonly authorization: string | null;
}

/**
 * Takes note of an answer, and returns it as it may go on. Rejects if its body broke off; its cookies are good then, too.
 */
export async function note({ chains, verify }: NoteParts, asked: Asked, answer: Response): Promise<Response> {
  const setCookies = answer.headers.getSetCookie();
  const changed = setCookies.map(nameOf).filter(isSession);
  if (changed.length === 0) return answer;
  const text = await answer.text();
  const token = refreshOf(asked.cookies) ?? undefined;
  const sid = await sessionOf();
  const from = /^\/auth\/refresh\/?$/.test(asked.path) ? token : undefined;
  const isHandedOut = Boolean(refreshOf(apply([], setCookies)));
  const grant = isHandedOut ? await taken() : undefined;
  // Acting as somebody begins beside the session that is there, and leaves its cookies alone.
  const isReplaced = asked.cookies.some(([name, value]) => value === token && changed.includes(name));
  const isKnown = grant !== undefined || !isHandedOut;
  if (sid !== undefined && isReplaced && isKnown && grant?.claims.sid !== sid) chains.end(sid);
  const headers = new Headers(answer.headers);
  headers.delete("set-cookie");
  for (const line of grant ? merge(setCookies, grant.setCookies) : setCookies) headers.append("set-cookie", line);
  return new Response(text === "" ? null : text, { status: answer.status, headers });

  /** The newest tokens of the session that was handed out; a slow answer may be behind them. */
  function taken(): Promise<Grant | undefined> {
    // What cannot be verified now is a matter of the next visit.
    return Promise.resolve()
      .then(() => chains.take(JSON.parse(text), setCookies, from))
      .catch(() => undefined);
  }

  async function sessionOf(): Promise<string | undefined> {
    const known = token === undefined ? undefined : chains.kept(token);
    if (known) return known.claims.sid;
    const access = /^(?:bearer|token) +(.+)$/i.exec(asked.authorization ?? "")?.[1] ?? accessOf(asked.cookies);
    return access ? verify(access).then((claims) => claims.sid, () => undefined) : undefined;
  }
}

const nameOf = (line: string): string => parseCookies(line.split(";", 1)[0] ?? "")[0]?.[0] ?? "";
