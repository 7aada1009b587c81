import type { CallOptions, Client } from "./create-client.js";
import { core } from "./lib/core.js";

/** Mails the user a link to confirm the address. Rejects with `already_verified`, `verification_disabled`. */
export async function sendVerification(client: Client, options: CallOptions = {}): Promise<void> {
  await client[core].askAsUser("/auth/email/send-verification", { method: "POST", ...options });
}
