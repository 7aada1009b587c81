import type { CallOptions, Client } from "./create-client.js";
import { core } from "./lib/core.js";
import type { Session } from "./session.js";

/** An app that makes codes, set up. */
export interface TotpConfirmed {
  readonly session: Session;
  /** Of the factor. */
  readonly factorId: string;
  /** To sign in with when the app is gone, once each. Show them: nobody sees them again. Empty if the user has some. */
  readonly recoveryCodes: readonly string[];
}

/**
 * Puts an app to use by the first code that it shows, within ten minutes of {@link beginTotp}. This session goes on; an
 * app that was there before is replaced. Rejects with `wrong_code`; with `not_found` if none is
 * being set up any more; with {@link FreshLoginRequired} if the session has not seen that one.
 */
export async function confirmTotp(client: Client, code: string, options: CallOptions = {}): Promise<TotpConfirmed> {
  interface Confirmed {
    readonly factor_id: string;
    readonly recovery_codes: readonly string[];
  }
  const path = "/auth/factors/totp/confirm";
  const { session, answer } = await client[core].renew<Confirmed>(path, { body: { code }, ...options });
  return { session, factorId: answer.factor_id, recoveryCodes: answer.recovery_codes };
}
