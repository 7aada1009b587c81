/**
 * The server half, for frameworks that render pages on a server: reads who asks from the cookies of Portcullis, refreshes,
 * and writes cookies. Runs wherever there are `fetch` and WebCrypto.
 *
 * {@link createServerAuth} makes it; {@link withAuth} is the adapter for plain `Request` and `Response`. Adapters for
 * Express and Next.js are entries of their own.
 *
 * @packageDocumentation
 */
export { type ErrorCode, type FieldError, PortcullisError, SecondFactorRequired } from "../errors.js";
export { isPortcullisError } from "../is-portcullis-error.js";
export type { Credentials, FactorAnswer, Registration } from "../requests.js";
export type { Claims } from "./claims.js";
export { createServerAuth, type RequestHead, type ServerAuth, type ServerAuthOptions } from "./create-server-auth.js";
export type { Visit, VisitStatus } from "./visit.js";
export { withAuth, withCookies } from "./with-auth.js";
