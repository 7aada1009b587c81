import type { Session } from "../session.js";
import type { Ask } from "./issuer.js";

/** How the functions of this package reach into a client. No token comes out of it. */
export const core: unique symbol = Symbol("portcullis");

/** A session with new tokens. */
export interface Renewed<T> {
  readonly session: Session;
  readonly answer: T;
}

/** What they find there. */
export interface Core {
  /** Without a slash at the end. */
  readonly baseUrl: string;
  /** Against which relative addresses are resolved: the page's own. */
  readonly base: string;
  /** Asks Portcullis as nobody. */
  ask<T>(path: string, ask?: Ask): Promise<T>;
  /** Asks Portcullis as the user. */
  askAsUser<T>(path: string, ask?: Ask): Promise<T>;
  /** Asks for a new session and takes its tokens. `null`: the answer is a good one, but has none. */
  signIn(path: string, ask: Ask & { readonly body: object }): Promise<Session | null>;
  /** Asks as the user for new tokens of the session, and takes them; `answer` is what came beside them. */
  renew<T>(path: string, ask: Ask): Promise<Renewed<T>>;
  /** Other facts about the session. */
  update(change: Partial<Session>): void;
}
