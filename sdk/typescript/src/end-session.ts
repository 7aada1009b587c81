import type { CallOptions, Client } from "./create-client.js";
import { core } from "./lib/core.js";

/** Ends another session of the user; this one ends by `client.logout`. Rejects with `not_found`. */
export async function endSession(client: Client, id: string, options: CallOptions = {}): Promise<void> {
  await client[core].askAsUser(`/auth/sessions/${encodeURIComponent(id)}`, { method: "DELETE", ...options });
}
