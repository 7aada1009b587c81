/** What a client has to do with the page that it runs in. */
export interface Page {
  /** Its address, against which relative ones are resolved; absent outside of pages. */
  readonly address: string | undefined;
  /** Whether the browser keeps cookies at all. */
  keepsCookies(): boolean;
  /** Cookies that scripts may read, as `document.cookie`. */
  cookies(): string;
  /** Whether nobody sees it. */
  isHidden(): boolean;
  /** Returns how to stop it. */
  watch(watcher: PageWatcher): () => void;
}

/** What a client wants to know of its page. */
export interface PageWatcher {
  /** It is left, and may be kept to go back to. */
  hidden(): void;
  /** It is shown or online again. `restored`: as it was left. */
  shown(restored: boolean): void;
}

/** The page that this runs in; outside of pages (workers, servers) one in which nothing happens. */
export function currentPage(): Page {
  const { document, navigator, location } = globalThis as Partial<typeof globalThis>;
  return {
    address: document?.baseURI ?? location?.href,
    keepsCookies: () => navigator?.cookieEnabled !== false && (!document || keeps(document)),
    cookies: () => document?.cookie ?? "",
    isHidden: () => document?.visibilityState === "hidden",
    watch({ hidden, shown }) {
      if (!document) return () => undefined;
      const ended = new AbortController();
      const { signal } = ended;
      addEventListener("pagehide", hidden, { signal });
      addEventListener("pageshow", (event) => shown(event.persisted), { signal });
      addEventListener("online", () => shown(false), { signal });
      document.addEventListener("visibilitychange", () => document.hidden || shown(false), { signal });
      return () => ended.abort();
    },
  };
}

/** Tries it: Chromium says that cookies are enabled though its user lets no site keep any. */
function keeps(document: Document): boolean {
  const name = `portcullis_${Math.random().toString(36).slice(2)}`;
  try {
    document.cookie = `${name}=; max-age=9; samesite=strict`;
    const isKept = document.cookie.includes(name);
    document.cookie = `${name}=; max-age=0`;
    return isKept;
  } catch {
    // Sandboxed pages have none at all.
    return false;
  }
}
