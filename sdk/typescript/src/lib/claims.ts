/** What this package reads in an access token. It is not verified here: it came from Portcullis itself. */
export interface Order {
  /** The session. */
  readonly sid: string;
  /** Position in the chain of the session. */
  readonly gen: number;
  /** Seconds since the Unix epoch. */
  readonly iat: number;
}

/** Reads the middle part of a JWT (RFC 7519 section 7.2), without its signature. */
export function readClaims(token: string): Partial<Order> {
  try {
    const part = token.split(".")[1] ?? "";
    return JSON.parse(atob(part.replace(/-/g, "+").replace(/_/g, "/"))) as Partial<Order>;
  } catch {
    return {};
  }
}
