import type { CallOptions, Client } from "./create-client.js";
import { core } from "./lib/core.js";

/** Whether the `token` of a mailed link can still set a password. Does not spend it. */
export async function verifyResetToken(client: Client, token: string, options: CallOptions = {}): Promise<boolean> {
  const ask = { body: { token }, ...options };
  return (await client[core].ask<{ valid: boolean }>("/auth/password/verify-reset-token", ask)).valid;
}
