import type { ServerCode } from "./generated/codes.js";

/** What can go wrong before Portcullis has answered, or in its answer. */
export type ClientCode =
  /** No answer: offline, refused, timed out, or blocked by CORS. Nobody is signed out by it. */
  | "network_error"
  /** An answer that is not Portcullis': a page of a proxy, say. */
  | "unexpected_response"
  /** The browser keeps no cookies, and without them nobody stays signed in. */
  | "cookies_disabled"
  /** `client.fetch` was asked for an origin that must not get the token. */
  | "foreign_origin"
  /** Nobody is signed in, and the call needs somebody. */
  | "signed_out";

/** The `code` of every {@link PortcullisError}. Stable: programs may rely on it. */
export type ErrorCode = ServerCode | ClientCode;

/** A field that Portcullis did not accept, with `validation_failed`. */
export interface FieldError {
  /** Name of the field, as on the wire. */
  readonly field: string;
  /** What is wrong with it; stable. */
  readonly code: string;
  /** The same for people. */
  readonly message: string;
}

/** What is known of a failure beside its code. */
export interface ErrorFacts {
  /** Status of the answer; 0 if there was none. */
  readonly status?: number;
  readonly fields?: readonly FieldError[];
  /** Seconds. */
  readonly retryAfter?: number;
  readonly requestId?: string;
  readonly cause?: unknown;
}

/**
 * Every refusal and every failure of this package. `message` is for people and may change; decide by `code`.
 *
 * A request that was aborted rejects with the reason of its signal instead.
 */
export class PortcullisError extends Error {
  override readonly name: string = "PortcullisError";
  /** Stable, for programs. */
  readonly code: ErrorCode;
  /** HTTP status; 0 if there was no answer. */
  readonly status: number;
  /** With `validation_failed`: which fields, and why. */
  readonly fields: readonly FieldError[];
  /** Seconds to wait before the next try, if the server said so. */
  readonly retryAfter: number | undefined;
  /** `X-Request-Id` of the answer, for the operator. */
  readonly requestId: string | undefined;

  constructor(code: ErrorCode, message: string, facts: ErrorFacts = {}) {
    super(message, facts.cause === undefined ? undefined : { cause: facts.cause });
    this.code = code;
    this.status = facts.status ?? 0;
    this.fields = facts.fields ?? [];
    this.retryAfter = facts.retryAfter;
    this.requestId = facts.requestId;
  }
}

/** A way to prove the second factor. */
export type FactorMethod = "totp" | "recovery_code" | "passkey" | (string & {});

/**
 * A second factor is owed: at a sign-in go on with `client.loginWithFactor`. Of `stepUp` with the password: call it again
 * with the factor.
 */
export class SecondFactorRequired extends PortcullisError {
  override readonly name: string = "SecondFactorRequired";
  declare readonly code: "second_factor_required";
  /** Goes back with the factor. Good once, for five minutes. Empty of `stepUp`. */
  readonly challenge: string;
  /** What the user can prove. */
  readonly methods: readonly FactorMethod[];

  constructor(message: string, challenge: string, methods: readonly FactorMethod[], facts: ErrorFacts = {}) {
    super("second_factor_required", message, facts);
    this.challenge = challenge;
    this.methods = methods;
  }
}

/** The sign-in is too long ago for this, or has shown no factor: call `stepUp`, and then again what was refused. */
export class FreshLoginRequired extends PortcullisError {
  override readonly name: string = "FreshLoginRequired";
  declare readonly code: "fresh_login_required";
  /** What `stepUp` takes of this user. None: sign in again, by a provider and with `fresh`. */
  readonly methods: readonly ("password" | FactorMethod)[];

  constructor(message: string, methods: readonly string[], facts: ErrorFacts = {}) {
    super("fresh_login_required", message, facts);
    this.methods = methods;
  }
}
