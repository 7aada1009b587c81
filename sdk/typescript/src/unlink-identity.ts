import type { CallOptions, Client } from "./create-client.js";
import { remove } from "./lib/remove.js";

/** The user does not sign in that way any more. Rejects with {@link FreshLoginRequired}, `last_way_in`, `not_found`. */
export function unlinkIdentity(client: Client, id: string, options: CallOptions = {}): Promise<void> {
  return remove(client, "/auth/identities/", id, options);
}
