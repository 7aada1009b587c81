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
  // Every answer with tokens sets the cookie too, which saves a request. It may be another application's.
  let believeCookie = true;

  async function renew(): Promise<string> {
    const answer = await issuer<{ csrf_token: string }>("/auth/csrf");
    return (token = answer.csrf_token);
  }

  return {
    async guard(session, send) {
      const carried = believeCookie ? COOKIE.exec(cookies())?.[1] : undefined;
      const first = token ?? carried ?? (session ? await renew() : undefined);
      try {
        return await send(first === undefined ? {} : { "x-csrftoken": first });
      } catch (error) {
        if (!isPortcullisError(error, "csrf_failed")) throw error;
        if (first === carried) believeCookie = false;
        return send({ "x-csrftoken": await renew() });
      }
    },
    forget() {
      token = undefined;
    },
  };
}
