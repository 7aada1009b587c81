import type { CallOptions, Client } from "./create-client.js";
import type { Passkey } from "./generated/schemas.js";
import { core } from "./lib/core.js";
import type { NewPasskey } from "./requests.js";
import type { Session } from "./session.js";

/** A passkey, registered. */
export interface PasskeyAdded {
  readonly session: Session;
  readonly passkey: Passkey;
  /** To sign in with, beside the password, when the device is gone. Empty if the user has some; else show them. */
  readonly recoveryCodes: readonly string[];
}

/**
 * Registers the passkey that {@link createPasskey} resolved with. This session goes on.
 *
 * Rejects with `passkey_refused` (begin again), `passkey_taken`, `too_many_passkeys`, `validation_failed`.
 */
export async function finishPasskey(client: Client, made: NewPasskey, options: CallOptions = {}): Promise<PasskeyAdded> {
  interface Added {
    readonly passkey: Passkey;
    readonly recovery_codes: readonly string[];
  }
  const ask = { body: made, ...options };
  const { session, answer } = await client[core].renew<Added>("/auth/passkeys/register/finish", ask);
  return { session, passkey: answer.passkey, recoveryCodes: answer.recovery_codes };
}
