import type { CallOptions, Client } from "../create-client.js";
import { core } from "./core.js";

/** Takes away what has this id under `path`, which ends with a slash. */
export function remove(client: Client, path: string, id: string, options: CallOptions): Promise<void> {
  return client[core].askAsUser(path + encodeURIComponent(id), { method: "DELETE", ...options });
}

/** The same of what proves the user: every access token that is out ends with it. */
export async function removeProof(client: Client, path: string, id: string, options: CallOptions): Promise<void> {
  await remove(client, path, id, options);
  // Where that fails, whoever next needs a token tries again.
  await client.refresh().catch(() => undefined);
}
