/** What a verified access token says (RFC 9068, with claims of Portcullis). */
export interface Claims {
  readonly iss: string;
  /** The user. */
  readonly sub: string;
  readonly aud: string | readonly string[];
  /** Seconds since the Unix epoch, as `iat` and `nbf`. */
  readonly exp: number;
  readonly iat: number;
  readonly nbf?: number;
  readonly jti: string;
  /** The session. */
  readonly sid: string;
  /** Its position in the chain of the session. */
  readonly gen: number;
  /** Role in the installation; the administrator's is `admin`. */
  readonly role: string;
  /** The account in use, and the user's role in it. */
  readonly account?: string;
  readonly account_role?: string;
  /** Who really acts, where that is not the user. */
  readonly act?: { readonly sub: string };
  /** Separated by spaces. */
  readonly scope?: string;
  readonly bot?: boolean;
  /** May look, and change nothing. */
  readonly read_only?: boolean;
  /** May do nothing but change the password. */
  readonly pwd_change?: boolean;
  /** What the operator adds by `tokens.claims`. */
  readonly [claim: string]: unknown;
}
