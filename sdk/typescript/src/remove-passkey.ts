import type { CallOptions, Client } from "./create-client.js";
import { removeProof } from "./lib/remove.js";

/**
 * Removes a passkey. Other sessions go on, with new access tokens.
 *
 * Rejects with {@link FreshLoginRequired}, `last_way_in`, `factor_required`, `not_found`.
 */
export function removePasskey(client: Client, id: string, options: CallOptions = {}): Promise<void> {
  return removeProof(client, "/auth/passkeys/", id, options);
}
