import type { CallOptions, Client } from "./create-client.js";
import type { Config } from "./generated/schemas.js";
import { core } from "./lib/core.js";

/** What a sign-in page needs: other providers, whether one can register, rules for passwords. */
export function getConfig(client: Client, options: CallOptions = {}): Promise<Config> {
  return client[core].ask("/auth/config", options);
}
