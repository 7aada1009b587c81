// Made by scripts/generate.mjs of the OpenAPI document. Do not edit.

/** A user. */
export interface User {
  readonly account?: Account | null;
  /** RFC 3339. */
  readonly created_at: string;
  /** A bot has none. */
  readonly email?: string | null;
  readonly email_verified: boolean;
  readonly id: string;
  readonly job_title?: string | null;
  /** RFC 3339. */
  readonly last_login_at?: string | null;
  readonly locale?: string | null;
  readonly must_change_password: boolean;
  readonly name?: string | null;
  /** Of a bot: the user it belongs to. */
  readonly owner_id?: string | null;
  readonly phone?: string | null;
  /** Role in the installation; the administrator's is `admin`. */
  readonly role: string;
  readonly timezone?: string | null;
  readonly username?: string | null;
}

/** The account in use. */
export interface Account {
  readonly id: string;
  /** The user's role in it. */
  readonly role: string;
}

/** Tokens. */
export interface TokenResponse {
  /** JWT for `Authorization: Bearer`. Not with delivery `cookies`. */
  readonly access_token?: string | null;
  /**
   * Send it along with the next login on this device: strangers who guess passwords then slow only
   * themselves down. Only with delivery `body`.
   */
  readonly device_token?: string | null;
  /** Seconds until the access token expires. */
  readonly expires_in: number;
  /** Until the password is changed only `GET /auth/me`, `password/change`, `refresh` and `logout` work. */
  readonly must_change_password: boolean;
  /** Until a second factor is set up only what `must_change_password` leaves, `factors` and `step-up` work. */
  readonly must_set_up_factor: boolean;
  /** Seconds until the refresh token expires if it is not used. */
  readonly refresh_expires_in: number;
  /** Opaque; good for one refresh. Only with delivery `body`. */
  readonly refresh_token?: string | null;
  readonly session_id: string;
  /** Always `Bearer`. */
  readonly token_type: string;
  readonly user: User;
}

/** One session. */
export interface SessionInfo {
  /** An administrator acts as the user in it. */
  readonly acting: boolean;
  /** Address of the last use. */
  readonly address: string;
  /** RFC 3339. */
  readonly created_at: string;
  /** The session that asks. */
  readonly current: boolean;
  /** What the device calls itself. */
  readonly device: string;
  readonly id: string;
  /** RFC 3339. */
  readonly last_used_at: string;
  /** How the user has shown who they are, as `amr` has it. */
  readonly methods: readonly string[];
}

/** A page of sessions, newest first. */
export interface SessionPage {
  readonly items: readonly SessionInfo[];
  readonly next_cursor?: string | null;
}

/** How to sign in and up. */
export interface Config {
  /** Ways to sign in. */
  readonly methods: readonly string[];
  readonly password: PasswordRules;
  /** Other providers by way of which people sign in. */
  readonly providers: readonly Provider[];
  readonly registration: RegistrationRules;
}

/** Who may sign up. */
export interface RegistrationRules {
  readonly email_verification_required: boolean;
  /** Whoever has an invite may. */
  readonly invite_required: boolean;
  /** Everybody may. */
  readonly open: boolean;
}

/** Rules for passwords. */
export interface PasswordRules {
  readonly max_length: number;
  readonly min_length: number;
}

/** A provider. */
export interface Provider {
  /** What URLs call it. */
  readonly name: string;
  /** Where its button leads; `return_to` says where to go from there. */
  readonly start_url: string;
  /** What people call it. */
  readonly title: string;
}

/** All that a user has to show beside what they sign in with. */
export interface Factors {
  readonly items: readonly Factor[];
  /** How many are left. */
  readonly recovery_codes: number;
  /** The user's role needs a factor. */
  readonly required: boolean;
  readonly trusted_devices: readonly TrustedDevice[];
}

/** One factor. */
export interface Factor {
  /** RFC 3339. */
  readonly created_at: string;
  readonly id: string;
  /** `totp`: an app that makes codes; `passkey`. */
  readonly kind: string;
  /** RFC 3339. */
  readonly last_used_at?: string | null;
}

/** A device on which no second factor is asked for. */
export interface TrustedDevice {
  /** Where it was when it was trusted. */
  readonly address: string;
  /** RFC 3339. */
  readonly created_at: string;
  /** What the device calls itself. */
  readonly device: string;
  /** RFC 3339. */
  readonly expires_at: string;
  readonly id: string;
}

/** What an app for codes needs, once. */
export interface NewTotp {
  /** RFC 3339. Until then its first code must be shown. */
  readonly expires_at: string;
  readonly id: string;
  /** The QR code: an SVG document. */
  readonly qr_code: string;
  /** For typing into the app: base32. */
  readonly secret: string;
  /** What the QR code says. */
  readonly uri: string;
}

/** A passkey. */
export interface Passkey {
  /** It is kept elsewhere, too: in a password manager, say. */
  readonly backed_up: boolean;
  /** RFC 3339. */
  readonly created_at: string;
  readonly id: string;
  /** RFC 3339. */
  readonly last_used_at?: string | null;
  readonly name: string;
}

/** The passkeys of a user: never more than a page. */
export interface PasskeyList {
  readonly items: readonly Passkey[];
  readonly next_cursor?: string | null;
}

/** Who the user is at a provider. */
export interface Identity {
  /** RFC 3339. */
  readonly created_at: string;
  /** The address there, as last told. */
  readonly email?: string | null;
  readonly id: string;
  /** Last sign-in by it. RFC 3339. */
  readonly last_used_at?: string | null;
  /** Its name in URLs. */
  readonly provider: string;
  /** What people call it. */
  readonly title: string;
}

/** All of those. */
export interface IdentityList {
  readonly items: readonly Identity[];
  /** Always `null`: there are not many. */
  readonly next_cursor?: string | null;
}
