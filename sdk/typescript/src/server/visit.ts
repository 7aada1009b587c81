import type { User } from "../generated/schemas.js";
import type { Credentials, FactorAnswer, Registration } from "../requests.js";
import type { PortcullisError } from "../errors.js";
import type { Claims } from "./claims.js";

/**
 * What is known of who asks.
 *
 * | status | |
 * |---|---|
 * | `signed_in` | `claims` say who |
 * | `signed_out` | nobody, or a page of another site that wants to change something |
 * | `must_change_password` | somebody who may do nothing before that |
 * | `read_only` | an administrator who looks, with a request that changes something |
 * | `unavailable` | Portcullis cannot be asked, and without it nobody knows; `problem` says why. Nobody is signed out |
 */
export type VisitStatus = "signed_in" | "signed_out" | "must_change_password" | "read_only" | "unavailable";

/** One request of a browser: who it is, and what its answer has to say about cookies. */
export interface Visit {
  readonly status: VisitStatus;
  /** Who asks, with status `signed_in`; else `null`. */
  readonly claims: Claims | null;
  /** With status `unavailable`. */
  readonly problem: PortcullisError | null;
  /** The access token of who asks, for a service; with status `signed_in`, else `null`. Do not put it into a page. */
  readonly accessToken: string | null;
  /**
   * `fetch` with that token, for your services: the origins of `services`. After a 401 it tries once more with a newer
   * token, refreshing if no cookies have been written yet.
   */
  readonly fetch: typeof fetch;
  /** The user's data, from Portcullis; `null` if nobody is signed in. */
  getUser(): Promise<User | null>;
  /** Signs in, for a form of yours. Rejects as the browser's `client.login` does. */
  login(credentials: Credentials): Promise<Claims>;
  /** Signs in with the second factor that `login` asked for. */
  loginWithFactor(answer: FactorAnswer): Promise<Claims>;
  /** Signs up. `null`: a mail is on its way, whose link has to be opened first. */
  register(registration: Registration): Promise<Claims | null>;
  /** Signs out. Rejects if that could not be done: then the user is still signed in. */
  logout(): Promise<void>;
  /**
   * `Set-Cookie` for the answer. To be asked when its head is written and not before: it is decided then, and what is
   * written never goes back behind what another request of the same session has written. The adapters do that.
   */
  setCookies(): readonly string[];
  /**
   * The request's `Cookie` as the answer leaves it, for what renders the page; always with the access token in it. Not for
   * the browser.
   */
  cookieHeader(): string;
}
