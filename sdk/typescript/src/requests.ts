import type { FactorMethod } from "./errors.js";
import type { Session } from "./session.js";

/** Who signs in: by one of `email`, `username`, and `login`, which is either. */
export type Credentials = { readonly password: string } & (
  | { readonly email: string }
  | { readonly username: string }
  | { readonly login: string }
);

/** A factor that is shown: by its `code`, or with method `passkey` by what {@link showPasskey} resolves with. */
export interface FactorProof {
  readonly method: FactorMethod;
  /** What an authenticator app shows, or a recovery code. */
  readonly code?: string;
  /** Of a passkey: what it began with. */
  readonly ceremony?: string;
  /** Of a passkey: what `navigator.credentials.get` gave, as JSON. */
  readonly credential?: object;
}

/** Proves the second factor of a sign-in. */
export interface FactorAnswer extends FactorProof {
  /** Of {@link SecondFactorRequired}. */
  readonly challenge: string;
  /** This device is asked for no factor for a while: `login.trust_device_for`. */
  readonly rememberDevice?: boolean;
}

/** Shows once more who it is: by the password, or of whoever has a factor, by that. */
export type StepUp = { readonly password: string } | FactorProof;

/** What to ask the browser with for a passkey. Good for five minutes and one answer. */
export interface PasskeyCeremony {
  /** A secret of this browser, which goes back with the answer. */
  readonly ceremony: string;
  /** Options of WebAuthn, as JSON. */
  readonly publicKey: object;
}

/** What the browser has answered. */
export interface PasskeyShown {
  /** Of {@link PasskeyCeremony}. */
  readonly ceremony: string;
  /** What `PublicKeyCredential.toJSON` returns. */
  readonly credential: object;
}

/** A passkey that the browser has made. */
export interface NewPasskey extends PasskeyShown {
  /** What its user calls it: 1 to 100 characters. */
  readonly name?: string;
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
