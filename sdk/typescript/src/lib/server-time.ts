import type { Clock } from "./clock.js";

/** The issuer's time, as far as it is known: this machine's clock may be minutes off. */
export interface ServerTime {
  /** Milliseconds since the Unix epoch, by the issuer's clock. */
  now(): number;
  /** Learns from an answer's `Date` header (RFC 9110 section 6.6.1). */
  learn(headers: Headers): void;
  /** What is added to this machine's clock, in milliseconds. */
  offset: number;
}

/**
 * Across origins `Date` can only be read if the server exposes it. Without it the local clock is taken for right: what
 * is measured with it is how long a token lives from now on, which needs no right clock but only a steady one.
 */
export function createServerTime(clock: Clock): ServerTime {
  const time: ServerTime = {
    offset: 0,
    now: () => clock.now() + time.offset,
    learn(headers) {
      const date = Date.parse(headers.get("date") ?? "");
      if (!Number.isNaN(date)) time.offset = date - clock.now();
    },
  };
  return time;
}
