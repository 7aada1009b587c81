import type { CallOptions, Client } from "./create-client.js";
import { remove } from "./lib/remove.js";

/** From now on a second factor is asked for on this device again. Rejects with `not_found`. */
export function forgetDevice(client: Client, id: string, options: CallOptions = {}): Promise<void> {
  return remove(client, "/auth/factors/devices/", id, options);
}
