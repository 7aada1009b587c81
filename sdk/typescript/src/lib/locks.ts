import { type Clock, pause } from "./clock.js";

/** The part of Web Locks that is used: one holder at a time over all tabs of an origin. */
export interface Locks {
  /** Runs something while nobody else holds the lock of this name. */
  request<T>(name: string, options: { signal?: AbortSignal }, run: () => Promise<T>): Promise<T>;
  /** Who waits, for those that can tell. */
  query?(): Promise<{ pending?: { name?: string; clientId?: string }[] }>;
}

/** Where `localStorage` is; only names and times are written there. */
export type Store = Pick<Storage, "getItem" | "setItem" | "removeItem">;

/** Milliseconds after which the lock of a tab that may be gone is nobody's. Longer than most answers take. */
const LEASE = 10_000;
const STEP = 25;

/**
 * Where Web Locks are missing (plain http on another host than localhost): a queue in each tab, and a lease in
 * `localStorage` between them. Two tabs may still hold it at once in rare cases; then the issuer answers both with the
 * same successor, so this saves requests and is not what the session hangs on.
 */
export function createLeaseLocks(store: Store | undefined, clock: Clock): Locks {
  const tails = new Map<string, Promise<unknown>>();
  const own = Math.random().toString(36).slice(2);

  async function acquire(key: string, signal?: AbortSignal): Promise<void> {
    while (store) {
      signal?.throwIfAborted();
      const [owner, until] = store.getItem(key)?.split(" ") ?? [];
      if (!owner || owner === own || !(Number(until) > clock.now())) {
        store.setItem(key, `${own} ${clock.now() + LEASE}`);
        // Whoever wrote at the same time is seen after a moment; the last one has it.
        await pause(clock, STEP);
        if (store.getItem(key)?.startsWith(`${own} `)) return;
      }
      await pause(clock, STEP);
    }
  }

  return {
    async request(name, { signal }, run) {
      const before = tails.get(name);
      const turn = (async () => {
        await before?.catch(() => undefined);
        signal?.throwIfAborted();
        await acquire(name, signal);
        try {
          return await run();
        } finally {
          store?.removeItem(name);
        }
      })();
      tails.set(name, turn);
      return turn;
    },
  };
}

/** The browser's own locks, and others where it has none, or grants none: pages that may store nothing get no locks. */
export function createLocks(own: Locks | undefined, others: Locks): Locks {
  if (!own) return others;
  return {
    query: () => own.query?.() ?? Promise.resolve({}),
    async request(name, options, run) {
      let isGranted = false;
      try {
        return await own.request(name, options, () => {
          isGranted = true;
          return run();
        });
      } catch (error) {
        if (isGranted || (error as Error).name !== "SecurityError") throw error;
        return others.request(name, options, run);
      }
    },
  };
}
