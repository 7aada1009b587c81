import {
  type ErrorCode,
  type ErrorFacts,
  type FieldError,
  FreshLoginRequired,
  PortcullisError,
  SecondFactorRequired,
} from "../errors.js";

/** The body of a refusal (RFC 9457), as far as it is of use. */
interface Problem {
  code?: unknown;
  detail?: unknown;
  errors?: FieldError[];
  challenge?: string;
  methods?: string[];
}

/** Makes an error of an answer that is none of success. Takes nothing for Portcullis' word that is not its form. */
export async function errorOf(response: Response): Promise<PortcullisError> {
  const { status, headers } = response;
  const isProblem = headers.get("content-type")?.startsWith("application/problem+json");
  const problem: Problem | undefined = isProblem ? await response.json().catch(() => undefined) : undefined;
  const requestId = headers.get("x-request-id");
  const seconds = Number.parseInt(headers.get("retry-after") ?? "", 10);
  const facts: ErrorFacts = {
    status,
    ...(problem?.errors && { fields: problem.errors }),
    ...(seconds >= 0 && { retryAfter: seconds }),
    ...(requestId && { requestId }),
  };
  if (typeof problem?.code !== "string") {
    await response.body?.cancel().catch(() => undefined);
    const message = `The answer (status ${status}) is not Portcullis'. Is a proxy in between, or \`baseUrl\` wrong?`;
    return new PortcullisError("unexpected_response", message, facts);
  }
  const message = String(problem.detail ?? problem.code);
  if (problem.code === "second_factor_required") {
    return new SecondFactorRequired(message, problem.challenge ?? "", problem.methods ?? [], facts);
  }
  if (problem.code === "fresh_login_required") return new FreshLoginRequired(message, problem.methods ?? [], facts);
  // A server that is newer than this package may have codes that the list does not.
  return new PortcullisError(problem.code as ErrorCode, message, facts);
}
