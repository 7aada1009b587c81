import type { CallOptions, Client } from "./create-client.js";
import { core } from "./lib/core.js";
import type { PasskeyShown } from "./requests.js";
import type { Session } from "./session.js";

/**
 * Signs in by the passkey that {@link showPasskey} resolved with. No second factor is owed. A session that this browser
 * has already ends.
 *
 * ```ts
 * import { beginPasskeyLogin, type Client, finishPasskeyLogin, type Session, showPasskey } from "@portcullis/client";
 *
 * async function signIn(client: Client): Promise<Session> {
 *   const shown = await showPasskey(await beginPasskeyLogin(client));
 *   return finishPasskeyLogin(client, shown);
 * }
 * ```
 *
 * Rejects with `invalid_credentials`, `passkey_refused` (begin again), `email_not_verified`.
 */
export async function finishPasskeyLogin(
  client: Client,
  shown: PasskeyShown,
  options: CallOptions = {},
): Promise<Session> {
  const { ceremony, credential } = shown;
  const ask = { body: { ceremony, credential }, ...options };
  return (await client[core].signIn("/auth/passkeys/login/finish", ask)) as Session;
}
