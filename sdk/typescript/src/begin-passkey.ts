import type { CallOptions, Client } from "./create-client.js";
import { core } from "./lib/core.js";
import type { PasskeyCeremony } from "./requests.js";

/** Begins to register a passkey: go on with {@link createPasskey}. Rejects with {@link FreshLoginRequired}. */
export function beginPasskey(client: Client, options: CallOptions = {}): Promise<PasskeyCeremony> {
  return client[core].askAsUser("/auth/passkeys/register/start", { method: "POST", ...options });
}
