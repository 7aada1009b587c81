/** Portcullis' public keys (RFC 7517), fetched when they are needed. */
import { PortcullisError } from "../../errors.js";
import type { Clock } from "../../lib/clock.js";

/** Milliseconds: how long keys are kept that come without `max-age`, and the least time between two fetches. */
const LIFE = 300_000;
const PATIENCE = 10_000;

type Algorithm = "ES256" | "RS256" | "EdDSA";

/** How WebCrypto names what JOSE names otherwise. */
const ALGORITHMS: Record<Algorithm, { import: object; verify: object }> = {
  ES256: { import: { name: "ECDSA", namedCurve: "P-256" }, verify: { name: "ECDSA", hash: "SHA-256" } },
  RS256: { import: { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" }, verify: { name: "RSASSA-PKCS1-v1_5" } },
  EdDSA: { import: { name: "Ed25519" }, verify: { name: "Ed25519" } },
};

/** One public key, good for one algorithm: a token never chooses. */
export interface VerifyingKey {
  readonly algorithm: string;
  verify(signature: Uint8Array<ArrayBuffer>, data: Uint8Array<ArrayBuffer>): Promise<boolean>;
}

/** Finds a key by its id; `undefined`: there is none of that id. Rejects if that cannot be known now. */
export type Keys = (id: string) => Promise<VerifyingKey | undefined>;

/** A {@link Keys} that asks `url`, when the keys are older than its answer allows, and for an id that is new to it. */
export function createKeys(url: string, ask: (url: string) => Promise<Response>, clock: Clock): Keys {
  let keys = new Map<string, VerifyingKey>();
  let goodUntil = 0;
  let askedAt = -Infinity;
  let failure: unknown;
  let asking: Promise<void> | undefined;

  async function load(): Promise<void> {
    askedAt = clock.now();
    try {
      const response = await ask(url);
      const { keys: listed } = (await response.json()) as { keys: JsonWebKey[] };
      const known = await Promise.all(listed.map(keyOf));
      keys = new Map(known.flatMap((entry) => (entry ? [entry] : [])));
      const seconds = /max-age=(\d+)/.exec(response.headers.get("cache-control") ?? "")?.[1];
      goodUntil = clock.now() + (seconds === undefined ? LIFE : Number(seconds) * 1000);
      failure = undefined;
    } catch (error) {
      failure = error;
    }
  }

  function loadOnce(): Promise<void> {
    if (!asking && clock.now() - askedAt < PATIENCE) return Promise.resolve();
    return (asking ??= load().finally(() => (asking = undefined)));
  }

  return async (id) => {
    const found = keys.get(id);
    if (found) {
      // Good keys stay so while they are fetched anew, or cannot be.
      if (clock.now() >= goodUntil) void loadOnce();
      return found;
    }
    await loadOnce();
    const key = keys.get(id);
    if (!key && failure !== undefined) {
      throw new PortcullisError("network_error", `The keys at ${url} cannot be fetched.`, { cause: failure });
    }
    return key;
  };
}

async function keyOf(jwk: JsonWebKey & { kid?: string }): Promise<[string, VerifyingKey] | undefined> {
  const names = ALGORITHMS[jwk.alg as Algorithm];
  if (!names || jwk.kid === undefined) return undefined;
  try {
    const key = await crypto.subtle.importKey("jwk", jwk, names.import as EcKeyImportParams, false, ["verify"]);
    const verify: VerifyingKey["verify"] = (signature, data) =>
      crypto.subtle.verify(names.verify as EcdsaParams, key, signature, data);
    return [jwk.kid, { algorithm: jwk.alg as string, verify }];
  } catch {
    // An algorithm that this runtime lacks: tokens of that key are not accepted, all others are.
    return undefined;
  }
}
