/** Portcullis as the contract has it, as far as a browser sees it: cookie delivery, CSRF, rotation and replay. */
import type { Clock } from "../../src/lib/clock.js";

export const BASE = "https://auth.example.org";
export const APP = "https://app.example.org";

export interface ServerSession {
  readonly id: string;
  readonly email: string;
  /** `cookie`: the access token is in the body; `cookies`: it is in a cookie. */
  readonly delivery: string;
  gen: number;
  rotatedAt: number;
  ended: "revoked" | "expired" | undefined;
  /** Tokens up to this generation are dead: a role has changed. */
  deadUpTo: number;
}

/** What a test does in the place of an answer. */
export type Disturbance = (request: Request, answer: () => Promise<Response>) => Promise<Response> | undefined;

export class FakeIssuer {
  readonly sessions = new Map<string, ServerSession>();
  /** `METHOD /path status` of every request, in order. */
  readonly log: string[] = [];
  rotations = 0;
  replays = 0;
  accessTtl = 900;
  grace = 60;
  /** How far the issuer's clock is ahead, in milliseconds. */
  skew = 0;
  disturb: Disturbance | undefined;
  /** Names that `login` knows. */
  readonly passwords = new Map([["ada@example.org", "a good long passphrase"]]);
  readonly names = new Map<string, string>();
  /** Makes a token of claims; one that nobody can verify, unless told otherwise. */
  sign = (claims: object): Promise<string> => Promise.resolve(`header.${base64url(JSON.stringify(claims))}.signature`);
  /** Origins whose pages may change something. */
  readonly trusted = [APP, BASE];
  /** What names of cookies that hold tokens begin with. */
  prefix = "";
  /** Further claims. */
  claims: object = {};
  keys: JsonWebKey[] = [];
  #last = 0;

  constructor(readonly clock: Clock) {}

  now(): number {
    return this.clock.now() + this.skew;
  }

  count(line: string): number {
    return this.log.filter((entry) => entry.startsWith(line)).length;
  }

  async handle(request: Request): Promise<Response> {
    const { pathname } = new URL(request.url);
    const answer = async () => this.#answer(request, pathname);
    const response = (await this.disturb?.(request.clone(), answer)) ?? (await answer());
    this.log.push(`${request.method} ${pathname} ${response.status}`);
    response.headers.set("date", new Date(this.now()).toUTCString());
    return response;
  }

  /** A service behind: 200 with what it was told, or 401. */
  service(request: Request): Response {
    const status = this.isGood(request.headers.get("authorization")) ? 200 : 401;
    this.log.push(`${request.method} ${new URL(request.url).pathname} ${status}`);
    return status === 200 ? new Response(request.body) : new Response("no", { status });
  }

  isGood(authorization: string | null): boolean {
    const token = authorization?.replace(/^Bearer /, "").split(".")[1];
    if (!token) return false;
    const claims = readPart(token) as { sid: string; gen: number; exp: number };
    const session = this.sessions.get(claims.sid);
    return !!session && !session.ended && claims.gen > session.deadUpTo && claims.exp * 1000 > this.now();
  }

  /** Ends all sessions from elsewhere. */
  revokeAll(): void {
    for (const session of this.sessions.values()) session.ended ??= "revoked";
  }

  async #answer(request: Request, path: string): Promise<Response> {
    const cookies = new Map(
      (request.headers.get("cookie") ?? "").split("; ").map((pair) => pair.split("=") as [string, string]),
    );
    const presented = /^pcr_(.+)\.(\d+)$/.exec(cookies.get(`${this.prefix}pc_refresh`) ?? "");
    const cookieSession = this.sessions.get(presented?.[1] ?? "");
    const body = request.body ? ((await request.json()) as Record<string, string>) : {};
    const isProven = () => {
      if (!this.trusted.includes(request.headers.get("origin") ?? "")) return false;
      return !presented || request.headers.get("x-csrftoken") === `csrf-${presented[1]}`;
    };
    switch (`${request.method} ${path}`) {
      case "GET /.well-known/jwks.json": {
        const response = json(200, { keys: this.keys });
        response.headers.set("cache-control", "public, max-age=600");
        return response;
      }
      case "GET /auth/csrf": {
        const token = `csrf-${presented?.[1] ?? "nobody"}`;
        return json(200, { csrf_token: token }, [`csrftoken=${token}; Path=/`]);
      }
      case "POST /auth/login":
      case "POST /auth/register":
      case "POST /auth/login/factor":
      case "POST /auth/oauth/google/callback": {
        if (!isProven()) return problem(403, "csrf_failed");
        if (body.password === "owes a factor") {
          return problem(403, "second_factor_required", { challenge: "ch_1", methods: ["totp"] });
        }
        if (body.challenge !== undefined && (body.challenge !== "ch_1" || body.code !== "123456")) {
          return problem(401, "invalid_credentials");
        }
        const email = body.email ?? "ada@example.org";
        if (path === "/auth/login" && this.passwords.get(email) !== body.password) {
          return problem(401, "invalid_credentials");
        }
        if (!body.delivery?.startsWith("cookie")) return problem(422, "validation_failed");
        if (cookieSession) cookieSession.ended = "revoked";
        const session = this.begin(email, body.delivery);
        return this.#tokens(session, path === "/auth/register" ? 201 : 200);
      }
      case "POST /auth/refresh":
        if (!presented) return problem(401, "missing_token");
        if (!isProven()) return problem(403, "csrf_failed");
        return this.#refresh(cookieSession, Number(presented[2]));
      case "POST /auth/logout":
        if (!presented) return new Response(null, { status: 204 });
        if (!isProven()) return problem(403, "csrf_failed");
        if (cookieSession) cookieSession.ended = "revoked";
        return this.#cleared(new Response(null, { status: 204 }));
    }
    return this.#asUser(request, path, body);
  }

  async #asUser(request: Request, path: string, body: Record<string, string>): Promise<Response> {
    const authorization = request.headers.get("authorization");
    const claims = readPart(authorization?.split(".")[1] ?? "") as { sid?: string };
    const session = this.sessions.get(claims.sid ?? "");
    const isPublic = /^\/auth\/(password\/(forgot|reset|verify-reset-token)|email\/verify|config|oauth\/.*)$/.test(path);
    if (!isPublic && (!session || !this.isGood(authorization))) {
      return problem(401, authorization ? "invalid_token" : "missing_token");
    }
    switch (`${request.method} ${path}`) {
      case "GET /auth/me":
        return json(200, this.user(session!.email));
      case "PATCH /auth/me":
        this.names.set(session!.email, body.name ?? "");
        return json(200, this.user(session!.email));
      case "POST /auth/password/change":
        if (this.passwords.get(session!.email) !== body.current_password) return problem(403, "wrong_password");
        session!.gen++;
        return this.#tokens(session!, 200);
      case "POST /auth/logout/all":
        for (const other of this.sessions.values()) if (other.email === session!.email) other.ended = "revoked";
        return this.#cleared(new Response(null, { status: 204 }));
      case "POST /auth/password/verify-reset-token":
        return json(200, { valid: body.token === "good" });
      case "POST /auth/password/forgot":
        return json(202, {});
      case "POST /auth/password/reset":
      case "POST /auth/email/verify":
        return body.token === "good" ? new Response(null, { status: 204 }) : problem(400, "invalid_link");
      case "POST /auth/email/send-verification":
        return problem(409, "already_verified");
      case "GET /auth/oauth/google/start": {
        const redirect = new URL(request.url).searchParams.get("redirect_uri") ?? "";
        const authorization_url = `https://provider.example/?redirect_uri=${encodeURIComponent(redirect)}&state=st1`;
        return json(200, { authorization_url, state: "st1", flow_secret: "fs1" });
      }
    }
    return problem(404, "not_found");
  }

  async #refresh(session: ServerSession | undefined, gen: number): Promise<Response> {
    const refuse = (code: string) => this.#cleared(problem(401, code));
    if (!session) return refuse("invalid_token");
    if (session.ended) return refuse(session.ended === "expired" ? "refresh_expired" : "refresh_revoked");
    if (gen === session.gen) {
      session.gen++;
      session.rotatedAt = this.now();
      this.rotations++;
    } else if (gen === session.gen - 1 && this.now() - session.rotatedAt <= this.grace * 1000) {
      this.replays++;
    } else {
      session.ended = "revoked";
      return refuse("refresh_reused");
    }
    return this.#tokens(session, 200);
  }

  begin(email: string, delivery = "cookie"): ServerSession {
    const id = `session-${++this.#last}`;
    const session: ServerSession = { id, email, delivery, gen: 1, rotatedAt: 0, ended: undefined, deadUpTo: 0 };
    this.sessions.set(id, session);
    return session;
  }

  user(email: string): Record<string, unknown> {
    return { id: `user-${email}`, email, email_verified: true, name: this.names.get(email) ?? "Ada", role: "user" };
  }

  /** New tokens of the session that asks, and what comes beside them. */
  renewed(request: Request, beside: object = {}): Promise<Response> {
    const claims = readPart(request.headers.get("authorization")?.split(".")[1] ?? "") as { sid: string };
    const session = this.sessions.get(claims.sid)!;
    session.gen++;
    return this.#tokens(session, 200, beside);
  }

  /** The tokens of a new session. */
  newSession(email: string): Promise<Response> {
    return this.#tokens(this.begin(email), 200);
  }

  async #tokens(session: ServerSession, status: number, beside: object = {}): Promise<Response> {
    const iat = Math.floor(this.now() / 1000);
    const claims = {
      iss: BASE,
      aud: [BASE],
      sub: session.email,
      sid: session.id,
      gen: session.gen,
      iat,
      exp: iat + this.accessTtl,
      jti: String(++this.#last),
      role: "user",
      ...this.claims,
    };
    const access_token = await this.sign(claims);
    const body = {
      ...(session.delivery === "cookie" && { access_token }),
      token_type: "Bearer",
      expires_in: this.accessTtl,
      session_id: session.id,
      must_change_password: false,
      must_set_up_factor: false,
      user: this.user(session.email),
      ...beside,
    };
    const cookies = [
      `${this.prefix}pc_refresh=pcr_${session.id}.${session.gen}; HttpOnly; Path=/`,
      `csrftoken=csrf-${session.id}; Path=/`,
    ];
    if (session.delivery === "cookies") cookies.push(`${this.prefix}pc_access=${access_token}; HttpOnly; Path=/`);
    return json(status, body, cookies);
  }

  #cleared(response: Response): Response {
    for (const name of ["pc_refresh", "pc_access"]) {
      response.headers.append("set-cookie", `${this.prefix}${name}=; Max-Age=0; HttpOnly; Path=/`);
    }
    return response;
  }
}

export function base64url(text: string): string {
  return btoa(text).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
}

function readPart(text: string): unknown {
  return text === "" ? {} : JSON.parse(atob(text.replace(/-/g, "+").replace(/_/g, "/")));
}

export function json(status: number, body: unknown, cookies: string[] = []): Response {
  const headers = new Headers({ "content-type": "application/json" });
  for (const cookie of cookies) headers.append("set-cookie", cookie);
  return new Response(JSON.stringify(body), { status, headers });
}

export function problem(status: number, code: string, more: object = {}): Response {
  const { retryAfter, ...extra } = more as { retryAfter?: number };
  const response = json(status, { type: `x/${code}`, title: code, status, detail: code, code, ...extra });
  response.headers.set("content-type", "application/problem+json");
  response.headers.set("x-request-id", "request-1");
  if (retryAfter !== undefined) response.headers.set("retry-after", String(retryAfter));
  return response;
}
