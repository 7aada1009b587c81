import type { CallOptions, Client } from "./create-client.js";
import { core } from "./lib/core.js";
import { type FlowStore, rememberFlow } from "./lib/flow.js";

/** Where to come back to. */
export interface SocialStart extends CallOptions {
  /** A page of yours that calls {@link completeSocialSignIn}. Must stand in `server.return_urls`, as it is. */
  readonly redirectUri: string;
  /** Keeps what belongs to this attempt until then; `sessionStorage`. */
  readonly store?: FlowStore;
}

/**
 * Begins to sign in with another provider, for applications that handle the way back themselves. Send the browser to the
 * address that it resolves with. Where that is not needed, {@link socialSignInUrl} is simpler.
 */
export async function startSocialSignIn(client: Client, provider: string, start: SocialStart): Promise<string> {
  const query = new URLSearchParams({ redirect_uri: start.redirectUri });
  const path = `/auth/oauth/${encodeURIComponent(provider)}/start?${query}`;
  interface Started {
    readonly authorization_url: string;
    readonly state: string;
    readonly flow_secret: string;
  }
  const answer = await client[core].ask<Started>(path, { signal: start.signal });
  rememberFlow(start.store ?? sessionStorage, answer.state, { provider, secret: answer.flow_secret });
  return answer.authorization_url;
}
