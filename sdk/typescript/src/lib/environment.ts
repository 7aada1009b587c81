import type { ClientOptions } from "../create-client.js";
import { type Clock, systemClock } from "./clock.js";
import { createLeaseLocks, createLocks, type Locks, type Store } from "./locks.js";
import { currentPage, type Page } from "./page.js";
import { createStoreChannel } from "./store-channel.js";
import type { Channel } from "./tabs.js";

/** Milliseconds. */
const TIMEOUT = 15_000;

/** The options of a client, with everything filled in. */
export interface Environment {
  /** Without a slash at the end. */
  readonly baseUrl: string;
  readonly fetch: typeof fetch;
  readonly clock: Clock;
  readonly locks: Locks;
  readonly connect: () => Channel | undefined;
  readonly page: Page;
  /** Begins the names of locks and channels: one for each Portcullis and audience. */
  readonly scope: string;
  readonly audience: string | undefined;
  readonly timeout: number;
}

export function environmentOf(options: ClientOptions): Environment {
  const { audience, clock = systemClock, page = currentPage(), timeout = TIMEOUT } = options;
  const baseUrl = new URL(options.baseUrl, page.address).href.replace(/\/+$/, "");
  const scope = `portcullis:${baseUrl}${audience === undefined ? "" : ` ${audience}`}`;
  const store = localStore();
  return {
    baseUrl,
    // Looked up at each call: what replaces `fetch` later on is used too.
    fetch: options.fetch ?? ((...parameters) => globalThis.fetch(...parameters)),
    clock,
    locks: options.locks ?? createLocks(globalThis.navigator?.locks, createLeaseLocks(store, clock)),
    connect: () => (options.channel ?? openChannel)(scope, store),
    page,
    scope,
    audience,
    timeout,
  };
}

function openChannel(name: string, store: Store | undefined): Channel | undefined {
  if (typeof BroadcastChannel === "function") return new BroadcastChannel(name);
  return store && createStoreChannel(name, store);
}

/** Reading the property throws where pages may store nothing. */
function localStore(): Store | undefined {
  try {
    return globalThis.localStorage;
  } catch {
    return undefined;
  }
}
