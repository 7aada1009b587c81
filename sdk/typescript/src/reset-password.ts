import type { CallOptions, Client } from "./create-client.js";
import { core } from "./lib/core.js";
import type { PasswordReset } from "./requests.js";

/**
 * Sets a password by the `token` of a mailed link. Every session of the user ends; sign in with the new password.
 *
 * Rejects with `invalid_link`, `validation_failed`.
 */
export async function resetPassword(client: Client, reset: PasswordReset, options: CallOptions = {}): Promise<void> {
  const { token, newPassword, revokeApiTokens } = reset;
  const body = { token, new_password: newPassword, revoke_api_tokens: revokeApiTokens };
  await client[core].ask("/auth/password/reset", { body, ...options });
}
