import type { CallOptions, Client } from "./create-client.js";
import { core } from "./lib/core.js";

/** Makes new recovery codes, once; those before are void. Rejects with {@link FreshLoginRequired}, `no_factor`. */
export async function makeRecoveryCodes(client: Client, options: CallOptions = {}): Promise<readonly string[]> {
  const ask = { method: "POST", ...options };
  const path = "/auth/factors/recovery-codes";
  return (await client[core].askAsUser<{ recovery_codes: readonly string[] }>(path, ask)).recovery_codes;
}
