/**
 * Sign-in for browsers: who is signed in, and `fetch` with a token that is always good.
 *
 * {@link createClient} makes a client, which everything else takes. What is not imported does not get into the bundle.
 *
 * @packageDocumentation
 */
export { beginPasskey } from "./begin-passkey.js";
export { beginPasskeyLogin, type PasskeyLoginStart } from "./begin-passkey-login.js";
export { beginTotp } from "./begin-totp.js";
export { changePassword } from "./change-password.js";
export { completeLink } from "./complete-link.js";
export { completeSocialSignIn, type SocialReturn } from "./complete-social-sign-in.js";
export { confirmTotp, type TotpConfirmed } from "./confirm-totp.js";
export { type CallOptions, type Client, type ClientOptions, createClient } from "./create-client.js";
export { createPasskey } from "./create-passkey.js";
export { endSession } from "./end-session.js";
export {
  type ClientCode,
  type ErrorCode,
  type ErrorFacts,
  type FactorMethod,
  type FieldError,
  FreshLoginRequired,
  PortcullisError,
  SecondFactorRequired,
} from "./errors.js";
export { finishPasskey, type PasskeyAdded } from "./finish-passkey.js";
export { finishPasskeyLogin } from "./finish-passkey-login.js";
export { forgetDevice } from "./forget-device.js";
export { forgotPassword } from "./forgot-password.js";
export { SERVER_CODES, type ServerCode } from "./generated/codes.js";
export type {
  Account,
  Config,
  Factor,
  Factors,
  Identity,
  IdentityList,
  NewTotp,
  Passkey,
  PasskeyList,
  PasswordRules,
  Provider,
  RegistrationRules,
  SessionInfo,
  SessionPage,
  TrustedDevice,
  User,
} from "./generated/schemas.js";
export { getConfig } from "./get-config.js";
export { isPortcullisError } from "./is-portcullis-error.js";
export type { Clock } from "./lib/clock.js";
export type { FlowStore } from "./lib/flow.js";
export type { Locks } from "./lib/locks.js";
export type { Page, PageWatcher } from "./lib/page.js";
export type { Channel } from "./lib/tabs.js";
export { listFactors } from "./list-factors.js";
export { listIdentities } from "./list-identities.js";
export { listPasskeys } from "./list-passkeys.js";
export { listSessions } from "./list-sessions.js";
export { makeRecoveryCodes } from "./make-recovery-codes.js";
export { removeFactor } from "./remove-factor.js";
export { removePasskey } from "./remove-passkey.js";
export { renamePasskey } from "./rename-passkey.js";
export type {
  Credentials,
  EmailVerification,
  FactorAnswer,
  FactorProof,
  NewPasskey,
  PageOf,
  PasskeyCeremony,
  PasskeyShown,
  PasswordChange,
  PasswordReset,
  Registered,
  Registration,
  StepUp,
  UserChange,
} from "./requests.js";
export { resetPassword } from "./reset-password.js";
export { sendVerification } from "./send-verification.js";
export type { Session, SignOutReason } from "./session.js";
export { type PasskeyPrompt, showPasskey } from "./show-passkey.js";
export { socialSignInUrl } from "./social-sign-in-url.js";
export { startLink } from "./start-link.js";
export { type LinkStart, startSocialSignIn, type SocialStart } from "./start-social-sign-in.js";
export { stepUp } from "./step-up.js";
export { unlinkIdentity } from "./unlink-identity.js";
export { updateUser } from "./update-user.js";
export { verifyEmail } from "./verify-email.js";
export { verifyResetToken } from "./verify-reset-token.js";
