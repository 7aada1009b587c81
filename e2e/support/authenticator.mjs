// Authenticators of Chromium's own making (https://chromedevtools.github.io/devtools-protocol/tot/WebAuthn/).

/** Passkeys that can be found without a name, by somebody who is always there. */
const OPTIONS = {
  protocol: "ctap2",
  ctap2Version: "ctap2_1",
  transport: "internal",
  hasResidentKey: true,
  hasUserVerification: true,
  isUserVerified: true,
  automaticPresenceSimulation: true,
};

/**
 * Gives the page an authenticator, and no other.
 *
 * @param {import("playwright-core").Page} page
 * @param {object} [options] other than these: of `WebAuthn.VirtualAuthenticatorOptions`
 */
export async function addAuthenticator(page, options) {
  const client = await page.context().newCDPSession(page);
  await client.send("WebAuthn.enable", { enableUI: false });
  const { authenticatorId } = await client.send("WebAuthn.addVirtualAuthenticator", { options: { ...OPTIONS, ...options } });
  const ask = (method, more) => client.send(`WebAuthn.${method}`, { authenticatorId, ...more });
  return {
    credentials: async () => (await ask("getCredentials")).credentials,
    /** Puts in what another one has. */
    add: (credential) => ask("addCredential", { credential }),
    forget: () => ask("clearCredentials"),
    /** Whether the user shows that it is them. */
    verifies: (isUserVerified) => ask("setUserVerified", { isUserVerified }),
    remove: () => ask("removeVirtualAuthenticator"),
  };
}
