import type { FactorMethod } from "./errors.js";
import type { Session } from "./session.js";

/** Who signs in: by one of `email`, `username`, and `login`, which is either. */
export type Credentials = { readonly password: string } & (
  | { readonly email: string }
  | { readonly username: string }
  | { readonly login: string }
);

/** Proves a second factor. */
export interface FactorAnswer {
  /** Of {@link SecondFactorRequired}. */
  readonly challenge: string;
  readonly method: FactorMethod;
  /** What an authenticator app shows. */
  readonly code?: string;
  /** What `navigator.credentials.get` gave, as JSON. */
  readonly credential?: object;
}

/** Who signs up. */
export interface Registration {
  readonly email: string;
  readonly password: string;
  readonly name?: string;
  readonly username?: string;
  /** Where one can sign up by invitation only. */
  readonly inviteCode?: string;
  /** Joins the account that invited. */
  readonly accountInviteCode?: string;
}

/** What became of it: signed in, or a mail is on its way, whose link has to be opened first. */
export type Registered =
  | { readonly status: "signed_in"; readonly session: Session }
  | { readonly status: "verification_required" };

/** A new password in place of the one before. */
export interface PasswordChange {
  readonly currentPassword: string;
  readonly newPassword: string;
  /** API tokens live on, unless this is `true`. */
  readonly revokeApiTokens?: boolean;
}

/** A new password by the link of a mail. */
export interface PasswordReset {
  /** The `token` of the link. */
  readonly token: string;
  readonly newPassword: string;
  /** API tokens end too, unless this is `false`. */
  readonly revokeApiTokens?: boolean;
}

/** Confirms an address by the link of a mail. */
export interface EmailVerification {
  /** The `token` of the link. */
  readonly token: string;
  /** Of the registration, where the link is opened in another browser than the one that registered. */
  readonly password?: string;
  /** Instead of it. */
  readonly newPassword?: string;
}

/** Changes to the user's own data: what is absent stays, `null` clears. */
export interface UserChange {
  readonly name?: string | null;
  readonly username?: string | null;
  readonly phone?: string | null;
  readonly job_title?: string | null;
  readonly timezone?: string | null;
  readonly locale?: string | null;
  /** Needs `current_password`; takes effect when the new address is confirmed. */
  readonly email?: string;
  readonly current_password?: string;
}

/** Which part of a list. */
export interface PageOf {
  readonly limit?: number;
  /** `next_cursor` of the part before. */
  readonly cursor?: string;
}
