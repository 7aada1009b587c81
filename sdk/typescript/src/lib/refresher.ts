/**
 * One refresh per browser, however many tabs and calls want one.
 *
 * 1. Within a tab all callers wait for the same promise.
 * 2. Between tabs, one at a time: the lock `refresh`. Who waits for it and meanwhile gets a token from another tab
 *    leaves the queue. Who has refreshed keeps the lock until all have left, so that nobody enters without the news.
 * 3. Who holds it asks the others for a token once more: a tab that was just opened has missed what they were told.
 * 4. The request itself stands under the lock `session`, as sign-in and sign-out do: answers that set the cookie
 *    arrive in the order in which they were asked for, so that it never goes back.
 * 5. Should two requests leave at once all the same, the issuer answers both with the same successor.
 */
import type { PortcullisError } from "../errors.js";
import { isPortcullisError } from "../is-portcullis-error.js";
import type { SignOutReason } from "../session.js";
import { type Clock, pause } from "./clock.js";
import type { Csrf } from "./csrf.js";
import type { Holder, Tokens } from "./holder.js";
import type { Issuer } from "./issuer.js";
import type { Locks } from "./locks.js";
import type { Tabs } from "./tabs.js";

/** Milliseconds in which tabs that live are expected to answer. */
const ANSWER = 40;
/** Milliseconds in which other tabs are expected to take a new token. */
const DELIVERY = 2_000;
/** Milliseconds to wait before the second try, unless told; and the longest that is waited there. */
const SECOND_TRY = 500;
const LONGEST = 3_000;

/** Refusals after which the session is over. Any other failure is none. */
const ENDS: readonly string[] = [
  "refresh_revoked",
  "refresh_expired",
  "refresh_reused",
  "invalid_token",
  "missing_token",
] satisfies SignOutReason[];

/** What a refresher is made of. */
export interface RefresherParts {
  readonly clock: Clock;
  readonly csrf: Csrf;
  readonly holder: Holder;
  readonly issuer: Issuer;
  readonly locks: Locks;
  readonly tabs: Tabs;
  /** Names of the locks begin with it. */
  readonly scope: string;
  readonly audience: string | undefined;
}

/** Gets a token that is newer than the holder's, or ends the session. Rejects if neither could be found out. */
export type Refresh = () => Promise<void>;

export function createRefresher(parts: RefresherParts): Refresh {
  const { clock, csrf, holder, issuer, locks, tabs, scope, audience } = parts;
  let running: Promise<void> | undefined;

  async function rotate(): Promise<void> {
    const sid = holder.held?.sid;
    try {
      const body = audience === undefined ? {} : { audience };
      const ask = () =>
        csrf.guard(true, (headers) => issuer<Tokens>("/auth/refresh", { body, headers }));
      holder.renew(await ask().catch((error: unknown) => pause(clock, delayOf(error)).then(ask)));
    } catch (error) {
      if (!isPortcullisError(error)) throw error;
      if (error.status !== 401 || !ENDS.includes(error.code)) {
        tabs.fail(error);
        throw error;
      }
      holder.end(sid, error.code as SignOutReason, "own");
    }
  }

  /** The tabs that stand in the queue. */
  async function queued(): Promise<(string | undefined)[]> {
    const { pending = [] } = (await locks.query?.()) ?? {};
    return pending.filter(({ name }) => name === `${scope}:refresh`).map(({ clientId }) => clientId);
  }

  /** Until all have left that stood in the queue when the token came. Who comes later wants a newer one. */
  async function delivered(): Promise<void> {
    const told = await queued();
    let isOver = false;
    // Pauses are not counted: in a page that nobody sees each lasts a second or longer.
    const timer = clock.setTimeout(() => (isOver = true), DELIVERY);
    while (!isOver && (await queued()).some((tab) => told.includes(tab))) await pause(clock, 10);
    clock.clearTimeout(timer);
  }

  async function run(): Promise<void> {
    const { held: before } = holder;
    const isDone = () => holder.held?.token !== before?.token || (!holder.held && before !== holder.held);
    const queue = new AbortController();
    const leave = holder.listen(() => isDone() && queue.abort());
    tabs.onfail = (error) => queue.abort(error);
    // From now on, and not only when it is our turn: the answers come while we wait.
    const answers = tabs.mayAnswer ? pause(clock, ANSWER) : undefined;
    tabs.ask();

    const turn = async (done: () => void) => {
      // The news may have come while the lock was on its way.
      queue.signal.throwIfAborted();
      tabs.onfail = undefined;
      await locks.request(`${scope}:session`, {}, async () => {
        await answers;
        if (!isDone()) await rotate();
      });
      done();
      await delivered();
    };
    try {
      await new Promise<void>((resolve, reject) => {
        locks.request(`${scope}:refresh`, { signal: queue.signal }, () => turn(resolve)).catch(reject);
      });
    } catch (error) {
      if (!isDone()) throw error;
    } finally {
      leave();
      tabs.onfail = undefined;
    }
  }

  return () => (running ??= run().finally(() => (running = undefined)));
}

/** How long to wait before the one more try; rejects with what cannot be mended by trying. */
function delayOf(error: unknown): number {
  const isFault = isPortcullisError(error) && (error.code === "network_error" || error.status >= 500);
  if (!isFault) throw error;
  return Math.min(LONGEST, ((error as PortcullisError).retryAfter ?? SECOND_TRY / 1000) * 1000);
}
