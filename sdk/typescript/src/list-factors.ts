import type { CallOptions, Client } from "./create-client.js";
import type { Factors } from "./generated/schemas.js";
import { core } from "./lib/core.js";

/** The user's second factors, devices on which they are not asked for, and how many recovery codes are left. */
export function listFactors(client: Client, options: CallOptions = {}): Promise<Factors> {
  return client[core].askAsUser("/auth/factors", options);
}
