/** A browser's cookie jar before a real Portcullis. */
import assert from "node:assert/strict";
import { createClient, type Client, type ClientOptions, type FlowStore } from "../../src/index.js";
import { currentPage } from "../../src/lib/page.js";
import { apply, type Pair, serialise } from "../../src/server/lib/cookies.js";

export const PASSWORD = "seven purple gates";

const clients: Client[] = [];

/** Ends what clients would do by themselves for as long as the process lives. */
export function closeAll(): void {
  for (const client of clients) client.close();
}

/** A `sessionStorage`. */
export function memory(): FlowStore {
  const kept = new Map<string, string>();
  return {
    getItem: (key) => kept.get(key) ?? null,
    setItem: (key, value) => void kept.set(key, value),
    removeItem: (key) => void kept.delete(key),
  };
}

let users = 0;

/** A new user, signed in, in a browser whose pages are at `origin`. */
export async function newcomer(origin: string, url: string): Promise<{ jar: Jar; client: Client; email: string }> {
  const jar = new Jar(origin);
  const client = jar.tab(url);
  const email = `user-${++users}@example.org`;
  const registered = await client.register({ email, password: PASSWORD, name: "Ada" });
  assert.equal(registered.status, "signed_in");
  return { jar, client, email };
}

export class Jar {
  cookies: Pair[] = [];
  /** `METHOD /path status` of what went to Portcullis. */
  readonly log: string[] = [];
  offline = false;

  constructor(
    /** Where the page is. */
    readonly origin: string,
  ) {}

  fetch: typeof fetch = async (input, init) => {
    if (this.offline) throw new TypeError("Failed to fetch");
    const request = new Request(input, init as RequestInit);
    const headers = new Headers(request.headers);
    headers.set("origin", this.origin);
    if (init?.credentials === "include" && this.cookies.length) headers.set("cookie", serialise(this.cookies));
    const answer = await fetch(request, { headers });
    this.cookies = apply(this.cookies, answer.headers.getSetCookie());
    this.log.push(`${request.method} ${new URL(request.url).pathname} ${answer.status}`);
    return answer;
  };

  /** A tab of this browser, that hears of others only by `BroadcastChannel`. */
  tab(baseUrl: string, options: Partial<ClientOptions> = {}): Client {
    const page = { ...currentPage(), address: `${this.origin}/`, cookies: () => serialise(this.cookies) };
    const client = createClient({ baseUrl, fetch: this.fetch, page, channel: () => undefined, ...options });
    clients.push(client);
    return client;
  }
}
