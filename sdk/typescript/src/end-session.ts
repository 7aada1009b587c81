import type { CallOptions, Client } from "./create-client.js";
import { remove } from "./lib/remove.js";

/** Ends another session of the user; this one ends by `client.logout`. Rejects with `not_found`. */
export function endSession(client: Client, id: string, options: CallOptions = {}): Promise<void> {
  return remove(client, "/auth/sessions/", id, options);
}
