/** One browser: a cookie jar, and tabs that share it, with locks and channels between them. */
import { type Client, type ClientOptions, createClient } from "../../src/index.js";
import type { Locks } from "../../src/lib/locks.js";
import type { Page, PageWatcher } from "../../src/lib/page.js";
import type { Channel } from "../../src/lib/tabs.js";
import type { FakeClock } from "./fake-clock.js";
import { APP, BASE, type FakeIssuer } from "./fake-issuer.js";

export interface Tab {
  readonly client: Client;
  readonly page: FakePage;
}

export class FakePage implements Page {
  readonly address = `${APP}/`;
  hidden = false;
  watcher: PageWatcher | undefined;
  keeps = true;
  /** Portcullis is on another host: its cookies are not to be read here. */
  elsewhere = false;

  constructor(readonly browser: FakeBrowser) {}

  keepsCookies = () => this.keeps;
  cookies = () => {
    const token = this.elsewhere ? undefined : this.browser.jar.get("csrftoken");
    return `other=1${token === undefined ? "" : `; csrftoken=${token}`}`;
  };
  isHidden = () => this.hidden;
  watch(watcher: PageWatcher): () => void {
    this.watcher = watcher;
    return () => (this.watcher = undefined);
  }
}

export class FakeBrowser {
  readonly jar = new Map<string, string>();
  readonly locks: Locks;
  #channels = new Set<{ name: string; channel: Channel }>();
  /** Messages between tabs are lost. */
  deaf = false;
  offline = false;
  #local: Map<string, string> = new Map();

  constructor(
    readonly clock: FakeClock,
    readonly issuer: FakeIssuer,
    /** Milliseconds that something takes, at most so many. */
    readonly delay: (most: number) => number = () => 0,
  ) {
    this.locks = fakeLocks(clock, delay);
  }

  tab(options: Partial<ClientOptions> = {}): Tab {
    const page = new FakePage(this);
    const client = createClient({
      baseUrl: BASE,
      fetch: this.fetch,
      clock: this.clock,
      locks: this.locks,
      channel: (name) => this.channel(name),
      page,
      ...options,
    });
    return { client, page };
  }

  fetch: typeof fetch = async (input, init) => {
    const request = new Request(input, init as RequestInit);
    const { origin } = new URL(request.url);
    const headers = new Headers(request.headers);
    headers.set("origin", APP);
    if (init?.credentials === "include" && this.jar.size) {
      headers.set("cookie", [...this.jar].map(([name, value]) => `${name}=${value}`).join("; "));
    }
    await this.#latency(request.signal);
    if (this.offline) throw new TypeError("Failed to fetch");
    if (origin !== BASE) return this.issuer.service(request);
    const response = await this.issuer.handle(new Request(request, { headers }));
    await this.#latency(request.signal);
    for (const cookie of response.headers.getSetCookie()) this.#keep(cookie);
    return response;
  };

  #keep(cookie: string): void {
    const [name = "", value = ""] = cookie.split(";")[0]?.split("=") ?? [];
    if (cookie.includes("Max-Age=0")) this.jar.delete(name);
    else this.jar.set(name, value);
  }

  async #latency(signal: AbortSignal): Promise<void> {
    await new Promise<void>((resolve) => this.clock.setTimeout(resolve, this.delay(80)));
    signal.throwIfAborted();
  }

  channel(name: string): Channel {
    const channel: Channel = {
      onmessage: null,
      postMessage: (message) => {
        if (this.deaf) return;
        for (const other of this.#channels) {
          if (other.channel === channel || other.name !== name) continue;
          const data = structuredClone(message);
          const deliver = () => other.channel.onmessage?.(new MessageEvent("message", { data }));
          this.clock.setTimeout(() => this.#channels.has(other) && deliver(), this.delay(15));
        }
      },
      close: () => {
        for (const other of this.#channels) if (other.channel === channel) this.#channels.delete(other);
      },
    };
    this.#channels.add({ name, channel });
    return channel;
  }

  /** Posts as another tab would. */
  say(message: unknown): void {
    const channel = this.channel([...this.#channels][0]?.name ?? "");
    channel.postMessage(message);
    channel.close();
  }

  /** A `localStorage`. */
  get storage(): Pick<Storage, "getItem" | "setItem" | "removeItem"> {
    const local = this.#local;
    return {
      getItem: (key) => local.get(key) ?? null,
      setItem: (key, value) => void local.set(key, value),
      removeItem: (key) => void local.delete(key),
    };
  }
}

interface Waiting {
  readonly name: string;
  readonly grant: () => void;
}

/** Web Locks: first come, first served; a lock that is given back is granted a moment later. */
function fakeLocks(clock: FakeClock, delay: (most: number) => number): Locks {
  const taken = new Set<string>();
  let waiting: Waiting[] = [];

  function next(name: string): void {
    const first = waiting.find((one) => one.name === name);
    if (!first || taken.has(name)) return;
    waiting = waiting.filter((one) => one !== first);
    taken.add(name);
    clock.setTimeout(first.grant, delay(3));
  }

  return {
    request: (name, { signal }, run) =>
      new Promise((resolve, reject) => {
        const one: Waiting = {
          name,
          grant() {
            signal?.removeEventListener("abort", leave);
            run()
              .then(resolve, reject)
              .finally(() => {
                taken.delete(name);
                next(name);
              });
          },
        };
        const leave = () => {
          if (!waiting.includes(one)) return;
          waiting = waiting.filter((other) => other !== one);
          reject(signal?.reason as Error);
        };
        if (signal?.aborted) return reject(signal.reason as Error);
        signal?.addEventListener("abort", leave);
        waiting.push(one);
        next(name);
      }),
    query: () => Promise.resolve({ pending: waiting.map(({ name }) => ({ name })) }),
  };
}
