/** An OpenID provider for a real Portcullis: who comes is let in as whoever the test says. */
import { createHash, randomUUID } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import { base64url } from "./fake-issuer.js";
import { keyPair } from "./site.js";

const CLIENT = "portcullis";
const SECRET = "a secret of the tests";

/** Somebody with an account there. */
export interface Person {
  readonly sub: string;
  readonly email: string;
  readonly email_verified: boolean;
}

export interface FakeProvider {
  /** Of a Portcullis that knows it as `acme`. */
  readonly settings: Record<string, string>;
  /** Where the browser comes back to that was sent to `url`, with this person in front of it. */
  authorize(url: string, person: Person): string;
  close(): void;
}

/** Promises to say who it is on the way back, and does (RFC 9207). */
export async function startProvider(): Promise<FakeProvider> {
  const key = await keyPair("key-1");
  const grants = new Map<string, { readonly asked: URLSearchParams; readonly person: Person }>();
  let issuer = "";

  async function answer(request: IncomingMessage): Promise<object | undefined> {
    switch (`${request.method} ${request.url}`) {
      case "GET /.well-known/openid-configuration":
        return {
          issuer,
          authorization_endpoint: `${issuer}/authorize`,
          token_endpoint: `${issuer}/token`,
          jwks_uri: `${issuer}/keys`,
          authorization_response_iss_parameter_supported: true,
        };
      case "GET /keys":
        return { keys: [key.jwk] };
      case "POST /token": {
        let body = "";
        for await (const part of request) body += String(part);
        const told = new URLSearchParams(body);
        const grant = grants.get(told.get("code") ?? "");
        grants.delete(told.get("code") ?? "");
        const proof = createHash("sha256").update(told.get("code_verifier") ?? "").digest("base64url");
        if (!grant || grant.asked.get("code_challenge") !== proof) return undefined;
        const now = Math.floor(Date.now() / 1000);
        const nonce = grant.asked.get("nonce");
        const claims = { iss: issuer, aud: CLIENT, iat: now, exp: now + 60, nonce, ...grant.person };
        return { token_type: "Bearer", access_token: randomUUID(), id_token: await key.sign(claims, { typ: "JWT" }) };
      }
    }
    return undefined;
  }

  const server = createServer((request, response) => {
    void answer(request).then((body) => {
      response.writeHead(body ? 200 : 400, { "content-type": "application/json" });
      response.end(JSON.stringify(body ?? { error: "invalid_grant" }));
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  issuer = `http://127.0.0.1:${(server.address() as { port: number }).port}`;
  return {
    settings: {
      PORTCULLIS_PROVIDERS__ACME__KIND: "oidc",
      PORTCULLIS_PROVIDERS__ACME__ISSUER: issuer,
      PORTCULLIS_PROVIDERS__ACME__CLIENT_ID: CLIENT,
      PORTCULLIS_PROVIDERS__ACME__CLIENT_SECRET: SECRET,
      PORTCULLIS_OUTBOUND__ALLOW: "127.0.0.1",
    },
    authorize(url, person) {
      const asked = new URL(url).searchParams;
      const code = base64url(randomUUID());
      grants.set(code, { asked, person });
      const back = new URL(asked.get("redirect_uri") ?? "");
      for (const [name, value] of Object.entries({ code, state: asked.get("state") ?? "", iss: issuer })) {
        back.searchParams.set(name, value);
      }
      return back.href;
    },
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}
