import type { CallOptions, Client } from "./create-client.js";
import type { Passkey } from "./generated/schemas.js";
import { core } from "./lib/core.js";

/** Calls a passkey something else. Rejects with `not_found`, `validation_failed`. */
export function renamePasskey(client: Client, id: string, name: string, options: CallOptions = {}): Promise<Passkey> {
  const ask = { method: "PATCH", body: { name }, ...options };
  return client[core].askAsUser(`/auth/passkeys/${encodeURIComponent(id)}`, ask);
}
