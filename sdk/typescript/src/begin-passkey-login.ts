import type { CallOptions, Client } from "./create-client.js";
import { core } from "./lib/core.js";
import type { PasskeyCeremony } from "./requests.js";

/** For whom. */
export interface PasskeyLoginStart extends CallOptions {
  /** Of {@link SecondFactorRequired}: only that user's passkeys are asked for. */
  readonly challenge?: string;
}

/**
 * Begins to show a passkey: to sign in, as second factor, or for a step-up. Go on with {@link showPasskey}. Rejects with
 * `invalid_challenge`.
 */
export function beginPasskeyLogin(client: Client, start: PasskeyLoginStart = {}): Promise<PasskeyCeremony> {
  const { challenge, signal } = start;
  return client[core].ask("/auth/passkeys/login/start", { body: { challenge }, signal });
}
