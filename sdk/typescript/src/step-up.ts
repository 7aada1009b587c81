import type { CallOptions, Client } from "./create-client.js";
import { core } from "./lib/core.js";
import type { StepUp } from "./requests.js";
import type { Session } from "./session.js";

/**
 * Shows once more who it is, for what rejects with {@link FreshLoginRequired}. The session goes on with new tokens, and
 * what needs a fresh sign-in works for ten minutes.
 *
 * Rejects with `wrong_password`, `wrong_code`, `no_password`; with {@link SecondFactorRequired} if the password was given
 * and the user has a factor.
 */
export async function stepUp(client: Client, proof: StepUp, options: CallOptions = {}): Promise<Session> {
  return (await client[core].renew("/auth/step-up", { body: proof, ...options })).session;
}
