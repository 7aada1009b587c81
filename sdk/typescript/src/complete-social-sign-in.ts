import type { CallOptions, Client } from "./create-client.js";
import { PortcullisError } from "./errors.js";
import { broughtBack } from "./lib/brought-back.js";
import { core } from "./lib/core.js";
import type { FlowStore } from "./lib/flow.js";
import type { Session } from "./session.js";

/** Where the browser has come back to. */
export interface SocialReturn extends CallOptions {
  /** The page's address, with what the provider has added to it; `location.href`. */
  readonly url?: string;
  /** The same as at the start; `sessionStorage`. */
  readonly store?: FlowStore;
}

/**
 * Signs in with what the provider has sent along. Call it on the page of `redirectUri`.
 *
 * Rejects with `provider_error`, also if the user said no there, or if this browser did not begin the attempt; with
 * `link_required` if a user with this address exists, who has to link the provider first; with `email_not_verified` if a
 * mail is on its way, whose link has to be opened first; with {@link SecondFactorRequired} as `client.login` does.
 */
export async function completeSocialSignIn(client: Client, back: SocialReturn = {}): Promise<Session> {
  const { path, body } = broughtBack(back);
  const session = await client[core].signIn(path, { body, signal: back.signal });
  if (!session) throw new PortcullisError("email_not_verified", "A mail is on its way: open the link in it.");
  return session;
}
