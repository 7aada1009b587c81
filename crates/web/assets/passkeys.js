// Passkeys on our pages: signing in with one, and adding one. What the browser answers is put into the form of the page and
// sent like any other.
const supported = typeof PublicKeyCredential === "function" && "parseRequestOptionsFromJSON" in PublicKeyCredential;
/** A ceremony is good for five minutes; one that waits in the background is begun anew before that. */
const PATIENCE = 4 * 60 * 1000;

/** What went wrong, in words for whoever sits in front of the page. */
class Refused extends Error {}

async function begin(path, csrfToken) {
  const headers = csrfToken ? { "x-csrftoken": csrfToken } : {};
  let response;
  try {
    response = await fetch(path, { method: "POST", headers });
  } catch {
    throw new Refused("The server cannot be reached. Please try again.");
  }
  const body = await response.json();
  if (response.ok) return body;
  throw Object.assign(new Refused(body.detail), { code: body.code });
}

function send(form, ceremony, credential) {
  form.elements.ceremony.value = ceremony;
  form.elements.credential.value = JSON.stringify(credential.toJSON());
  form.submit();
}

function told(error) {
  if (error instanceof Refused) return error.message;
  if (error.name === "InvalidStateError") return "This device has a passkey for this user already.";
  // Whoever closes the browser's window knows that they did.
  return error.name === "NotAllowedError" ? "Nothing was done. Please try again." : "Passkeys do not work here.";
}

/** Lets the button of `form` do `work`, and tells what went wrong. */
function onPress(form, work) {
  const message = form.querySelector("[role=status]");
  form.hidden = false;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    message.textContent = "";
    try {
      await work();
    } catch (error) {
      message.textContent = told(error);
    }
  });
}

const showing = supported && document.getElementById("use-passkey");
if (showing) {
  let waiting;
  let began;
  /** Asks for a passkey; whatever waited for one so far gives up. */
  const show = async (mediation) => {
    waiting?.abort();
    began = Date.now();
    const { signal } = (waiting = new AbortController());
    const { ceremony, publicKey } = await begin("/auth/passkeys/login/start");
    if (signal.aborted) return;
    const options = PublicKeyCredential.parseRequestOptionsFromJSON(publicKey);
    const credential = await navigator.credentials.get({ publicKey: options, mediation, signal });
    send(showing, ceremony, credential);
  };
  onPress(showing, () => show("optional"));

  // What the browser offers in the field for the name. Nobody asked for it, so nobody is told when it fails.
  const offer = () => show("conditional").catch(() => {});
  // What was begun a moment ago stays: somebody may be at the browser's own window.
  const again = () => document.visibilityState === "visible" && Date.now() - began >= PATIENCE && offer();
  if ("offers" in showing.dataset && (await PublicKeyCredential.isConditionalMediationAvailable?.())) {
    offer();
    setInterval(again, PATIENCE / 8);
    document.addEventListener("visibilitychange", again);
  }
}

const adding = supported && document.getElementById("add-passkey");
if (adding) {
  onPress(adding, async () => {
    try {
      const { ceremony, publicKey } = await begin("/auth/passkeys/register/start", adding.elements.csrf_token.value);
      const options = PublicKeyCredential.parseCreationOptionsFromJSON(publicKey);
      send(adding, ceremony, await navigator.credentials.create({ publicKey: options }));
    } catch (error) {
      if (error.code === "fresh_login_required") location.assign(adding.dataset.fresh);
      // The access token has run out: our pages get the next one.
      else if (error.code === "invalid_token") location.reload();
      else throw error;
    }
  });
}
