import type { CallOptions, Client } from "./create-client.js";
import { PortcullisError } from "./errors.js";
import { core } from "./lib/core.js";
import { type FlowStore, recallFlow } from "./lib/flow.js";
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
 * `link_required` if a user with this address exists, who has to link the provider first.
 */
export async function completeSocialSignIn(client: Client, back: SocialReturn = {}): Promise<Session> {
  const { searchParams } = new URL(back.url ?? location.href);
  const state = searchParams.get("state") ?? "";
  const code = searchParams.get("code");
  const flow = recallFlow(back.store ?? sessionStorage, state);
  if (!code || !flow) {
    const why = searchParams.get("error_description") ?? searchParams.get("error");
    throw new PortcullisError("provider_error", why ?? "This browser has not begun to sign in, or too long ago.");
  }
  const path = `/auth/oauth/${encodeURIComponent(flow.provider)}/callback`;
  const body = { code, state, flow_secret: flow.secret };
  return (await client[core].signIn(path, { body, signal: back.signal })) as Session;
}
