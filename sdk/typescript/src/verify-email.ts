import type { CallOptions, Client } from "./create-client.js";
import { core } from "./lib/core.js";
import type { EmailVerification } from "./requests.js";

/**
 * Confirms an address by the `token` of a mailed link. Call it from a button, not when the page loads: programs that
 * look into mails open links too.
 *
 * Rejects with `invalid_link`; with `validation_failed` where a password is needed.
 */
export async function verifyEmail(client: Client, link: EmailVerification, options: CallOptions = {}): Promise<void> {
  const { token, password, newPassword } = link;
  await client[core].ask("/auth/email/verify", { body: { token, password, new_password: newPassword }, ...options });
}
