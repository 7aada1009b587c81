import type { User } from "./generated/schemas.js";

/** Somebody is signed in. Holds no token. */
export interface Session {
  /** Id of the session, a UUID; the same in all tabs. */
  readonly id: string;
  readonly user: User;
  /** Until the password is changed nothing but that, `getUser`, `refresh` and `logout` works. */
  readonly mustChangePassword: boolean;
  /** The same until a second factor is set up, for which `stepUp` works, too. */
  readonly mustSetUpFactor: boolean;
}

/**
 * Why nobody is signed in any more.
 *
 * | reason | |
 * |---|---|
 * | `signed_out` | by `logout` or `logoutEverywhere`, in this tab or another one |
 * | `refresh_revoked` | the session was ended: from elsewhere, by an administrator, by a changed password |
 * | `refresh_expired` | it was too old, or not used for too long |
 * | `refresh_reused` | an old refresh token came back, so the session was ended to be safe |
 * | `invalid_token` | the session is unknown |
 * | `missing_token` | the browser has no cookie of ours |
 */
export type SignOutReason =
  | "signed_out"
  | "refresh_revoked"
  | "refresh_expired"
  | "refresh_reused"
  | "invalid_token"
  | "missing_token";
