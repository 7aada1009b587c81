import type { CallOptions, Client } from "./create-client.js";
import { removeProof } from "./lib/remove.js";

/**
 * Removes a second factor. Other sessions go on, with new access tokens.
 *
 * Rejects with {@link FreshLoginRequired}, `factor_required`, `last_way_in`, `not_found`.
 */
export function removeFactor(client: Client, id: string, options: CallOptions = {}): Promise<void> {
  return removeProof(client, "/auth/factors/", id, options);
}
