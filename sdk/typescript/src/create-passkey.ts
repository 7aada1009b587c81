import type { CallOptions } from "./create-client.js";
import type { PasskeyCeremony, PasskeyShown } from "./requests.js";

/**
 * Has the browser make a passkey. Goes to {@link finishPasskey}. Rejects as `navigator.credentials.create` does: with a
 * `NotAllowedError` if the user did not want to, with an `InvalidStateError` if this device has one already.
 *
 * ```ts
 * import { beginPasskey, type Client, createPasskey, finishPasskey } from "@portcullis/client";
 *
 * async function add(client: Client, name: string): Promise<readonly string[]> {
 *   const made = await createPasskey(await beginPasskey(client));
 *   return (await finishPasskey(client, { ...made, name })).recoveryCodes;
 * }
 * ```
 */
export async function createPasskey(begun: PasskeyCeremony, options: CallOptions = {}): Promise<PasskeyShown> {
  const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(
    begun.publicKey as PublicKeyCredentialCreationOptionsJSON,
  );
  const made = (await navigator.credentials.create({ publicKey, ...options })) as PublicKeyCredential;
  return { ceremony: begun.ceremony, credential: made.toJSON() as object };
}
