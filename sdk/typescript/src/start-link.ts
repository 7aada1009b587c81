import type { Client } from "./create-client.js";
import { core } from "./lib/core.js";
import { rememberFlow, type Started } from "./lib/flow.js";
import type { LinkStart } from "./start-social-sign-in.js";

/**
 * Begins to link another provider to the user. Send the browser to the address that it resolves with; the page of
 * `redirectUri` calls {@link completeLink}. Rejects with {@link FreshLoginRequired}, `not_found`.
 */
export async function startLink(client: Client, provider: string, start: LinkStart): Promise<string> {
  const { redirectUri, signal, store } = start;
  const path = `/auth/oauth/${encodeURIComponent(provider)}/link`;
  const answer = await client[core].askAsUser<Started>(path, { body: { redirect_uri: redirectUri }, signal });
  return rememberFlow(store ?? sessionStorage, provider, answer);
}
