import type { CallOptions, Client } from "./create-client.js";
import { core } from "./lib/core.js";
import { type FlowStore, rememberFlow, type Started } from "./lib/flow.js";

/** Where to come back to. */
export interface LinkStart extends CallOptions {
  /** A page of yours that completes it. Must stand in `server.return_urls`, as it is. */
  readonly redirectUri: string;
  /** Keeps what belongs to this attempt until then; `sessionStorage`. */
  readonly store?: FlowStore;
}

/** Where to come back to, and how to go. */
export interface SocialStart extends LinkStart {
  /** The provider has the person sign in there anew, if it can. */
  readonly fresh?: boolean;
}

/**
 * Begins to sign in with another provider, for applications that handle the way back themselves. Send the browser to the
 * address that it resolves with; the page of `redirectUri` calls {@link completeSocialSignIn}. Where that is not needed,
 * {@link socialSignInUrl} is simpler.
 */
export async function startSocialSignIn(client: Client, provider: string, start: SocialStart): Promise<string> {
  const { redirectUri, fresh, signal, store } = start;
  const query = new URLSearchParams({ redirect_uri: redirectUri, ...(fresh && { max_age: "0" }) });
  const path = `/auth/oauth/${encodeURIComponent(provider)}/start?${query}`;
  return rememberFlow(store ?? sessionStorage, provider, await client[core].ask<Started>(path, { signal }));
}
