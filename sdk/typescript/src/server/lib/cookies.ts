/**
 * Cookies of Portcullis in the headers of a request, and what its answers change about them (RFC 6265bis).
 *
 * Their names have the prefix `__Host-` or `__Secure-` on https, and none on plain http; what comes under other names
 * somebody else has set ({@link believable}). Attributes are Portcullis' alone: what it sets and clears is passed on as
 * it stands.
 */

/** One cookie of a request; several may have one name. */
export type Pair = readonly [name: string, value: string];

const SESSIONS = /pc_(?:act_)?(?:access|refresh)$/;
const OURS = /^(?:__Host-|__Secure-)?(pc_\w+)$|^(csrftoken)$/;

export function parseCookies(header: string | null): Pair[] {
  return (header ?? "").split(";").flatMap((part): Pair[] => {
    const at = part.indexOf("=");
    return at < 0 ? [] : [[part.slice(0, at).trim(), part.slice(at + 1).trim()]];
  });
}

export function serialise(pairs: readonly Pair[]): string {
  return pairs.map(([name, value]) => `${name}=${value}`).join("; ");
}

/**
 * Without those that only look like Portcullis': on https any host of the domain can set names without a prefix, and those
 * with `__Secure-`, which are Portcullis' where `cookies.domain` is set, but none with `__Host-`. So a session that has
 * one of these has no others.
 */
export function believable(pairs: readonly Pair[], isHttps: boolean): Pair[] {
  const isBound = pairs.some(([name]) => name.startsWith("__Host-") && SESSIONS.test(name));
  return pairs.filter(([name]) => {
    if (!plainName(name)?.startsWith("pc_")) return true;
    if (!isHttps) return name.startsWith("pc_");
    return name.startsWith("__Host-") || (name.startsWith("__Secure-") && !(isBound && SESSIONS.test(name)));
  });
}

/** Only what is Portcullis'. Other cookies of a site are none of its business. */
export function ours(pairs: readonly Pair[]): Pair[] {
  return pairs.filter(([name]) => OURS.test(name));
}

/** Whether a cookie of this name holds a token of a session. */
export function isSession(name: string): boolean {
  return OURS.test(name) && SESSIONS.test(name);
}

/** The value of one of Portcullis' cookies, `pc_refresh` say. `null`: there are two, and none can be believed. */
export function valueOf(pairs: readonly Pair[], wanted: string): string | null | undefined {
  const found = pairs.filter(([name]) => plainName(name) === wanted);
  return found.length > 1 ? null : found[0]?.[1];
}

function plainName(name: string): string | undefined {
  const match = OURS.exec(name);
  return match?.[1] ?? match?.[2];
}

/** The cookies of the next request, after answers with these `Set-Cookie`. */
export function apply(pairs: readonly Pair[], setCookies: readonly string[]): Pair[] {
  const changed = setCookies.map((text) => ({ pair: parseCookies(text.split(";", 1)[0] ?? "")[0], isGone: isGone(text) }));
  const kept = pairs.filter(([name]) => !changed.some(({ pair }) => pair?.[0] === name));
  return [...kept, ...changed.flatMap(({ pair, isGone }) => (pair && !isGone ? [pair] : []))];
}

/** Whether a `Set-Cookie` takes a token of a session away. */
export function clearsSession(setCookie: string): boolean {
  return isGone(setCookie) && isSession(setCookie.split("=", 1)[0] ?? "");
}

/** Whether a `Set-Cookie` takes its cookie away. */
export function isGone(setCookie: string): boolean {
  if (/;\s*max-age=0*(?:;|$|-)/i.test(setCookie)) return true;
  const until = /;\s*expires=([^;]+)/i.exec(setCookie)?.[1];
  return !/;\s*max-age=/i.test(setCookie) && until !== undefined && Date.parse(until) <= 0;
}

/** Later ones replace earlier ones of the same name. */
export function merge(earlier: readonly string[], later: readonly string[]): string[] {
  const nameOf = (text: string) => text.split("=", 1)[0];
  return [...earlier.filter((text) => !later.some((other) => nameOf(other) === nameOf(text))), ...later];
}
