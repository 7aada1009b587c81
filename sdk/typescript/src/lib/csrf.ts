import { isPortcullisError } from "../is-portcullis-error.js";
import type { Issuer } from "./issuer.js";

const COOKIE = /(?:^|;\s*)csrftoken=([^;]+)/;

/** The proof that a request with our cookie was made by a page that may read our answers. */
export interface Csrf {
  /** Sends with the token; once more with a new one if it was refused. A session needs it, before one it is optional. */
  guard<T>(session: boolean, send: (headers: Record<string, string>) => Promise<T>): Promise<T>;
  /** A new session has begun: the token belongs to the one before. */
  forget(): void;
}

export function createCsrf(issuer: Issuer, cookies: () => string): Csrf {
  let token: string | undefined;
  // The cookie saves a request after loading the page. It is a carrier only, and may be another application's.
  let believeCookie = true;

  function known(): string | undefined {
    return token ?? (believeCookie ? COOKIE.exec(cookies())?.[1] : undefined);
  }

  async function renew(): Promise<string> {
    believeCookie = false;
    token = undefined;
    const answer = await issuer<{ csrf_token: string }>("/auth/csrf");
    return (token = answer.csrf_token);
  }

  return {
    async guard(session, send) {
      const first = known() ?? (session ? await renew() : undefined);
      try {
        return await send(first === undefined ? {} : { "x-csrftoken": first });
      } catch (error) {
        if (!isPortcullisError(error, "csrf_failed")) throw error;
        return send({ "x-csrftoken": await renew() });
      }
    },
    forget() {
      believeCookie = false;
      token = undefined;
    },
  };
}
