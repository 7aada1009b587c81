/**
 * Refreshes ahead of expiry, and when the page wakes up.
 *
 * A page that nobody sees does not refresh: a tab forgotten for weeks keeps no session alive. It does so when it is
 * shown again, or when something in it wants a token.
 */
import { isPortcullisError } from "../is-portcullis-error.js";
import type { Clock } from "./clock.js";
import type { Held, Holder } from "./holder.js";
import type { Page } from "./page.js";
import type { Refresh } from "./refresher.js";
import type { ServerTime } from "./server-time.js";
import type { Tabs } from "./tabs.js";

/** Milliseconds before expiry; tokens that live shortly get a quarter of their life. */
const AHEAD = 60_000;
/** Timers of browsers hold no more than this many milliseconds. */
const LONGEST_TIMER = 2 ** 31 - 1;
/** Milliseconds after a failure: doubled each time, up to the second one. */
const FIRST_RETRY = 2_000;
const LAST_RETRY = 60_000;

/** What the background is made of. */
export interface BackgroundParts {
  readonly clock: Clock;
  readonly time: ServerTime;
  readonly holder: Holder;
  readonly tabs: Tabs;
  readonly page: Page;
  readonly refresh: Refresh;
  /** Finds out whether the session still lives. */
  readonly check: () => Promise<unknown>;
}

export interface Background {
  /** Refreshes without being waited for, unless the last try has just failed. */
  start(): void;
  stop(): void;
}

/** When to refresh a token, in milliseconds since the Unix epoch by the issuer's clock. */
export function dueAt(held: Held): number {
  return held.expiresAt - Math.min(AHEAD, (held.expiresAt - held.issuedAt) / 4);
}

export function createBackground(parts: BackgroundParts): Background {
  const { clock, time, holder, tabs, page, refresh, check } = parts;
  let timer: unknown;
  let failures = 0;

  function wake(milliseconds: number): void {
    clock.clearTimeout(timer);
    timer = clock.setTimeout(() => {
      timer = undefined;
      if (!page.isHidden()) lookAgain();
    }, Math.min(LONGEST_TIMER, Math.max(0, milliseconds)));
  }

  function schedule(): void {
    if (holder.held) wake(dueAt(holder.held) - time.now());
    else clock.clearTimeout(timer);
  }

  function lookAgain(): void {
    if (!holder.held) return;
    if (dueAt(holder.held) <= time.now()) start();
    else schedule();
  }

  function start(): void {
    refresh().catch((error: unknown) => {
      const told = isPortcullisError(error) ? (error.retryAfter ?? 0) * 1000 : 0;
      wake(Math.max(told, Math.min(LAST_RETRY, FIRST_RETRY * 2 ** failures++)));
    });
  }

  const stopListening = holder.listen(() => {
    failures = 0;
    schedule();
  });
  const stopWatching = page.watch({
    // A page that holds a channel open is not kept for going back to.
    hidden: () => tabs.close(),
    shown(restored) {
      tabs.open();
      // What the others said meanwhile was not heard.
      if (restored && holder.held) check().catch(() => undefined);
      else lookAgain();
    },
  });

  return {
    start: () => void (failures || start()),
    stop() {
      clock.clearTimeout(timer);
      stopListening();
      stopWatching();
    },
  };
}
