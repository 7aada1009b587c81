import type { Client } from "./create-client.js";
import { core } from "./lib/core.js";

/**
 * Where to send the browser to sign in with another provider: `location.assign(socialSignInUrl(auth, "google", "/"))`.
 * It comes back to `returnTo`, signed in; the address must be Portcullis' own or stand in `server.return_urls`. With
 * `fresh` the provider has the person sign in there anew, if it can.
 */
export function socialSignInUrl(
  client: Client,
  provider: string,
  returnTo: string,
  { fresh = false }: { readonly fresh?: boolean } = {},
): string {
  const { baseUrl, base } = client[core];
  const query = new URLSearchParams({ return_to: new URL(returnTo, base).href, ...(fresh && { max_age: "0" }) });
  return `${baseUrl}/auth/oauth/${encodeURIComponent(provider)}/start?${query}`;
}
