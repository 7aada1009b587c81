import type { CallOptions, Client } from "./create-client.js";
import type { NewTotp } from "./generated/schemas.js";
import { core } from "./lib/core.js";

/**
 * Begins to set up an app that makes codes: show its QR code. It counts for nothing until {@link confirmTotp}. Rejects
 * with {@link FreshLoginRequired}.
 */
export function beginTotp(client: Client, options: CallOptions = {}): Promise<NewTotp> {
  return client[core].askAsUser("/auth/factors/totp", { method: "POST", ...options });
}
