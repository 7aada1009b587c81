import { type ErrorCode, PortcullisError } from "./errors.js";

/**
 * Whether something that was caught is a {@link PortcullisError}, of one of the codes if any are named.
 *
 * ```ts
 * import { type Client, isPortcullisError } from "@portcullis/client";
 *
 * async function signIn(client: Client, email: string, password: string): Promise<string> {
 *   try {
 *     const session = await client.login({ email, password });
 *     return `Hello, ${session.user.name ?? email}`;
 *   } catch (error) {
 *     if (isPortcullisError(error, "invalid_credentials")) return "Name or password is wrong.";
 *     if (isPortcullisError(error, "rate_limited")) return `Try again in ${error.retryAfter ?? 60} seconds.`;
 *     throw error;
 *   }
 * }
 * ```
 */
export function isPortcullisError<Code extends ErrorCode = ErrorCode>(
  error: unknown,
  ...codes: Code[]
): error is PortcullisError & { readonly code: Code } {
  return error instanceof PortcullisError && (codes.length === 0 || codes.some((code) => code === error.code));
}
