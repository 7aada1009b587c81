import type { CallOptions, Client } from "./create-client.js";
import type { PasskeyList } from "./generated/schemas.js";
import { core } from "./lib/core.js";

/** The user's passkeys. */
export function listPasskeys(client: Client, options: CallOptions = {}): Promise<PasskeyList> {
  return client[core].askAsUser("/auth/passkeys", options);
}
