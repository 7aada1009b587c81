/**
 * Sign-in for browsers: who is signed in, and `fetch` with a token that is always good.
 *
 * {@link createClient} makes a client, which everything else takes. What is not imported does not get into the bundle.
 *
 * @packageDocumentation
 */
export { changePassword } from "./change-password.js";
export { completeSocialSignIn, type SocialReturn } from "./complete-social-sign-in.js";
export { type CallOptions, type Client, type ClientOptions, createClient } from "./create-client.js";
export { endSession } from "./end-session.js";
export {
  type ClientCode,
  type ErrorCode,
  type ErrorFacts,
  type FactorMethod,
  type FieldError,
  PortcullisError,
  SecondFactorRequired,
} from "./errors.js";
export { forgotPassword } from "./forgot-password.js";
export { SERVER_CODES, type ServerCode } from "./generated/codes.js";
export type {
  Account,
  Config,
  PasswordRules,
  Provider,
  RegistrationRules,
  SessionInfo,
  SessionPage,
  User,
} from "./generated/schemas.js";
export { getConfig } from "./get-config.js";
export { isPortcullisError } from "./is-portcullis-error.js";
export type { Clock } from "./lib/clock.js";
export type { FlowStore } from "./lib/flow.js";
export type { Locks } from "./lib/locks.js";
export type { Page, PageWatcher } from "./lib/page.js";
export type { Channel } from "./lib/tabs.js";
export { listSessions } from "./list-sessions.js";
export type {
  Credentials,
  EmailVerification,
  FactorAnswer,
  PageOf,
  PasswordChange,
  PasswordReset,
  Registered,
  Registration,
  UserChange,
} from "./requests.js";
export { resetPassword } from "./reset-password.js";
export { sendVerification } from "./send-verification.js";
export type { Session, SignOutReason } from "./session.js";
export { socialSignInUrl } from "./social-sign-in-url.js";
export { startSocialSignIn, type SocialStart } from "./start-social-sign-in.js";
export { updateUser } from "./update-user.js";
export { verifyEmail } from "./verify-email.js";
export { verifyResetToken } from "./verify-reset-token.js";
