import type { CallOptions } from "./create-client.js";
import type { PasskeyCeremony, PasskeyShown } from "./requests.js";

/** How the browser asks. */
export interface PasskeyPrompt extends CallOptions {
  /** `conditional`: in a field with `autocomplete="username webauthn"`, and in no dialog. */
  readonly mediation?: CredentialMediationRequirement;
}

/**
 * Has the browser show a passkey. Goes to {@link finishPasskeyLogin}; or with method `passkey` to `client.loginWithFactor`
 * and {@link stepUp}. Rejects as `navigator.credentials.get` does: with a `NotAllowedError` if the user did not want to.
 */
export async function showPasskey(begun: PasskeyCeremony, prompt: PasskeyPrompt = {}): Promise<PasskeyShown> {
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(
    begun.publicKey as PublicKeyCredentialRequestOptionsJSON,
  );
  const shown = (await navigator.credentials.get({ publicKey, ...prompt })) as PublicKeyCredential;
  return { ceremony: begun.ceremony, credential: shown.toJSON() as object };
}
