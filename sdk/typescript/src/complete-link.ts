import type { SocialReturn } from "./complete-social-sign-in.js";
import type { Client } from "./create-client.js";
import type { Identity } from "./generated/schemas.js";
import { broughtBack } from "./lib/brought-back.js";
import { core } from "./lib/core.js";

/**
 * Links what the provider has sent along, for the session that began. Call it on the page of `redirectUri`. Rejects with
 * `provider_error` as {@link completeSocialSignIn} does; with `identity_taken` if another user is that person there.
 */
export async function completeLink(client: Client, back: SocialReturn = {}): Promise<Identity> {
  const { path, body } = broughtBack(back);
  return client[core].ask(path, { body, signal: back.signal });
}
