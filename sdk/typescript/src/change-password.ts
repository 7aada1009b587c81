import type { CallOptions, Client } from "./create-client.js";
import { core } from "./lib/core.js";
import type { PasswordChange } from "./requests.js";
import type { Session } from "./session.js";

/**
 * Changes the password. This session goes on, every other one of the user ends.
 *
 * Rejects with `wrong_password`, `password_unchanged`, `no_password`, `validation_failed`.
 */
export async function changePassword(client: Client, change: PasswordChange, options: CallOptions = {}): Promise<Session> {
  const { currentPassword, newPassword, revokeApiTokens } = change;
  const body = {
    current_password: currentPassword,
    new_password: newPassword,
    revoke_api_tokens: revokeApiTokens,
  };
  return (await client[core].renew("/auth/password/change", { body, ...options })).session;
}
