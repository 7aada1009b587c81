import type { CallOptions, Client } from "./create-client.js";
import { core } from "./lib/core.js";

/** Mails a link to set a new password, if there is a user with this address. Resolves the same way if there is none. */
export async function forgotPassword(client: Client, email: string, options: CallOptions = {}): Promise<void> {
  await client[core].ask("/auth/password/forgot", { body: { email }, ...options });
}
