import type { SocialReturn } from "../complete-social-sign-in.js";
import { PortcullisError } from "../errors.js";
import { recallFlow } from "./flow.js";

/** What has come back from a provider, for Portcullis. Throws `provider_error` where that is nothing to go on with. */
export function broughtBack(back: SocialReturn): { readonly path: string; readonly body: object } {
  const { searchParams } = new URL(back.url ?? location.href);
  const state = searchParams.get("state") ?? "";
  const code = searchParams.get("code");
  const flow = recallFlow(back.store ?? sessionStorage, state);
  if (!code || !flow) {
    // The provider's own words are for nobody here: whoever makes the link writes them.
    const why = flow && searchParams.get("error");
    const message = why ? `The provider says ${why}.` : "This browser has not begun to sign in, or too long ago.";
    throw new PortcullisError("provider_error", message);
  }
  const path = `/auth/oauth/${encodeURIComponent(flow.provider)}/callback`;
  // Who promises `iss` is not believed without (RFC 9207).
  const iss = searchParams.get("iss") ?? undefined;
  return { path, body: { code, state, iss, flow_secret: flow.secret } };
}
