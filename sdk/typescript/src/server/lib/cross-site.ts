/** Whether a request may have been made by a page of another site, with the cookies of this one. */

const SAFE = ["GET", "HEAD", "OPTIONS", "TRACE"];

export function isUnsafe(method: string): boolean {
  return !SAFE.includes(method.toUpperCase());
}

/**
 * For unsafe requests: `Origin`, else `Referer`, must be the host that was asked or one of `origins`, and the browser must
 * not say that it was another site. A request that says nothing is taken for the worst, as browsers always do.
 */
export function isForeign(method: string, headers: Headers, origins: readonly string[]): boolean {
  if (!isUnsafe(method)) return false;
  const source = parse(headers.get("origin") ?? headers.get("referer"));
  if (!source) return true;
  if (origins.includes(source.origin)) return false;
  const site = headers.get("sec-fetch-site");
  return source.host !== headers.get("host") || (site !== null && site !== "same-origin" && site !== "none");
}

function parse(url: string | null): URL | undefined {
  try {
    return new URL(url ?? "");
  } catch {
    return undefined;
  }
}
