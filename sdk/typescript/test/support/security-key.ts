/** A device with one passkey, and its browser (WebAuthn Level 3), in the place of the page's own. */
import { createHash, generateKeyPairSync, sign } from "node:crypto";

const PRESENT_AND_VERIFIED = 0x05;
const HAS_CREDENTIAL = 0x40;

const sha256 = (data: Buffer | string) => createHash("sha256").update(data).digest();

interface Options {
  readonly challenge: string;
  readonly user?: { readonly id: string };
  readonly allowCredentials?: readonly { readonly id: string }[];
}

export class SecurityKey {
  readonly #pair = generateKeyPairSync("ec", { namedCurve: "P-256" });
  readonly id = sha256(this.#pair.publicKey.export({ type: "spki", format: "der" })).subarray(0, 20);
  #user: string | undefined;
  /** What it was last asked with. */
  asked: Options | undefined;

  constructor(
    /** Where the page is. */
    readonly origin: string,
  ) {}

  /** From now on pages of this process have it. */
  install(): void {
    const asIs = (options: unknown) => options;
    const answer = (value: object) => Promise.resolve({ toJSON: () => value });
    const credentials = {
      create: ({ publicKey }: { publicKey: Options }) => answer(this.#create(publicKey)),
      get: ({ publicKey }: { publicKey: Options }) => answer(this.#get(publicKey)),
    };
    const { navigator = {} } = globalThis as { navigator?: object };
    Object.defineProperty(navigator, "credentials", { value: credentials, configurable: true });
    Object.assign(globalThis, {
      PublicKeyCredential: { parseCreationOptionsFromJSON: asIs, parseRequestOptionsFromJSON: asIs },
    });
    Object.defineProperty(globalThis, "navigator", { value: navigator, configurable: true });
  }

  #create(options: Options): object {
    this.#user = options.user?.id;
    const { x = "", y = "" } = this.#pair.publicKey.export({ format: "jwk" });
    // A COSE key (RFC 9053 section 7.1.1).
    const key = Buffer.concat([
      Buffer.from("a5010203262001215820", "hex"),
      Buffer.from(x, "base64url"),
      Buffer.from("225820", "hex"),
      Buffer.from(y, "base64url"),
    ]);
    const length = Buffer.from([0, this.id.length]);
    const data = Buffer.concat([this.#data(HAS_CREDENTIAL), Buffer.alloc(16), length, this.id, key]);
    // {"fmt": "none", "attStmt": {}, "authData": …} in CBOR.
    const head = Buffer.from("a363666d74646e6f6e656761747453746d74a0686175746844617461590000", "hex");
    head.writeUInt16BE(data.length, head.length - 2);
    const clientDataJSON = this.#clientData("webauthn.create", options).toString("base64url");
    const attestationObject = Buffer.concat([head, data]).toString("base64url");
    return this.#answer({ clientDataJSON, attestationObject, transports: ["internal"] });
  }

  #get(options: Options): object {
    this.asked = options;
    const [client, data] = [this.#clientData("webauthn.get", options), this.#data(0)];
    const signature = sign("sha256", Buffer.concat([data, sha256(client)]), this.#pair.privateKey);
    return this.#answer({
      clientDataJSON: client.toString("base64url"),
      authenticatorData: data.toString("base64url"),
      signature: signature.toString("base64url"),
      userHandle: this.#user,
    });
  }

  #clientData(type: string, { challenge }: Options): Buffer {
    return Buffer.from(JSON.stringify({ type, challenge, origin: this.origin, crossOrigin: false }));
  }

  /** Counts nothing. */
  #data(more: number): Buffer {
    return Buffer.concat([sha256("localhost"), Buffer.from([PRESENT_AND_VERIFIED | more, 0, 0, 0, 0])]);
  }

  #answer(response: object): object {
    const id = this.id.toString("base64url");
    return { id, rawId: id, type: "public-key", clientExtensionResults: {}, response };
  }
}
