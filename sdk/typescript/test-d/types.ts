/** What users' programs may and may not write. Compiled, never run. */
import {
  type Client,
  createClient,
  type ErrorCode,
  FreshLoginRequired,
  isPortcullisError,
  PortcullisError,
  SecondFactorRequired,
  type Session,
  type SignOutReason,
  stepUp,
  type User,
} from "../src/index.js";
import { createServerAuth, type Visit, withAuth } from "../src/server/index.js";

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function holds<_Claim extends true>(): void {}

export async function client(): Promise<void> {
  const auth = createClient({ baseUrl: "https://auth.example.org" });
  holds<Same<typeof auth, Client>>();
  holds<Same<typeof auth.fetch, typeof fetch>>();

  const session = await auth.login({ email: "a@b.c", password: "x" });
  holds<Same<typeof session, Session>>();
  await auth.login({ username: "a", password: "x" });
  await auth.login({ login: "a", password: "x" }, { signal: AbortSignal.timeout(1) });
  // @ts-expect-error somebody has to be named
  await auth.login({ password: "x" });
  // @ts-expect-error a password is needed
  await auth.login({ email: "a@b.c" });
  // @ts-expect-error there is no such option
  createClient({ baseUrl: "https://auth.example.org", storage: localStorage });
  // @ts-expect-error the address is needed
  createClient({});

  await auth.loginWithFactor({ challenge: "c", method: "passkey", ceremony: "c", credential: {}, rememberDevice: true });
  await stepUp(auth, { password: "x" });
  await stepUp(auth, { method: "totp", code: "123456" });
  // @ts-expect-error a factor says which it is
  await stepUp(auth, { code: "123456" });

  const user = await auth.getUser();
  holds<Same<typeof user, User | null>>();
  // @ts-expect-error nobody may be signed in
  user.email;
  // @ts-expect-error what the server says is not changed here
  if (user) user.name = "x";
  // @ts-expect-error a session holds no token
  session.token;

  const stop: () => void = auth.onChange((now) => holds<Same<typeof now, Session | null>>());
  auth.onSignedOut((reason) => holds<Same<typeof reason, SignOutReason>>());
  stop();

  const registered = await auth.register({ email: "a@b.c", password: "x" });
  // @ts-expect-error it may be that a mail has to be answered first
  registered.session;
  if (registered.status === "signed_in") registered.session.user.id satisfies string;
}

export function errors(error: unknown): void {
  if (isPortcullisError(error)) {
    holds<Same<typeof error.code, ErrorCode>>();
    // @ts-expect-error no such code
    if (error.code === "no_such_code") return;
  }
  if (isPortcullisError(error, "rate_limited", "network_error")) {
    holds<Same<typeof error.code, "rate_limited" | "network_error">>();
    error.retryAfter satisfies number | undefined;
  }
  if (error instanceof SecondFactorRequired) {
    error.challenge satisfies string;
    error satisfies PortcullisError;
  }
  if (error instanceof FreshLoginRequired) {
    holds<Same<typeof error.code, "fresh_login_required">>();
    error.methods satisfies readonly string[];
  }
  // @ts-expect-error no such code
  isPortcullisError(error, "no_such_code");
}

/** Every code can be told apart, and one that is forgotten is found. */
export function reason(reason: SignOutReason): string {
  switch (reason) {
    case "signed_out":
      return "You have signed out.";
    case "refresh_revoked":
    case "refresh_reused":
      return "Your session was ended.";
    case "refresh_expired":
    case "invalid_token":
    case "missing_token":
      return "Please sign in again.";
  }
}

export async function server(request: Request): Promise<void> {
  const auth = createServerAuth({ baseUrl: "https://auth.example.org" });
  const visit = await auth.open(request);
  holds<Same<typeof visit, Visit>>();
  // @ts-expect-error nobody may be signed in
  visit.claims.sub;
  visit.claims?.sub satisfies string | undefined;
  visit.claims?.["user_id"] satisfies unknown;
  const handler = withAuth(auth, (_request, visit, context: { id: number }) => new Response(`${visit.status} ${context.id}`));
  await handler(request, { id: 1 });
  // @ts-expect-error what the handler wants more has to be given
  await handler(request);
}
