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
