import type { CallOptions, Client } from "./create-client.js";
import type { IdentityList } from "./generated/schemas.js";
import { core } from "./lib/core.js";

/** Who the user is at other providers. */
export function listIdentities(client: Client, options: CallOptions = {}): Promise<IdentityList> {
  return client[core].askAsUser("/auth/identities", options);
}
