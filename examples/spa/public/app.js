// The whole application: one client, and what the page shows of it. Nothing here ever sees a token.
import { createClient, isPortcullisError, updateUser } from "/sdk/index.js";

const auth = createClient({ baseUrl: document.querySelector("meta[name=portcullis]").content });
const $ = (id) => document.getElementById(id);

function show(session) {
  document.body.dataset.state = session ? "signed-in" : "signed-out";
  $("who").textContent = session ? (session.user.name ?? session.user.email) : "";
  $("name").value = session?.user.name ?? "";
  if (!session) $("reply").textContent = "";
}

function note(event) {
  const entry = document.createElement("li");
  entry.textContent = event;
  entry.dataset.event = event;
  $("log").append(entry);
}

function tell(text, code) {
  $("message").textContent = text;
  if (code) $("message").dataset.code = code;
  else delete $("message").dataset.code;
}

/** Does something for the user, and tells what went wrong with it. */
async function attempt(what) {
  tell("");
  try {
    await what();
  } catch (error) {
    if (error.name === "AbortError") return;
    const fields = error.fields?.map(({ field, message }) => `${field}: ${message}`).join(" ");
    tell(fields || error.message, isPortcullisError(error) ? error.code : "unknown");
  }
}

function on(id, event, what) {
  $(id).addEventListener(event, (happened) => {
    happened.preventDefault();
    attempt(what);
  });
}

auth.onChange((session) => {
  note(session ? `session of ${session.user.email}` : "no session");
  show(session);
});

auth.onSignedOut((reason) => {
  note(`signed out: ${reason}`);
  tell(reason === "signed_out" ? "You have signed out." : "Your session has ended. Please sign in again.");
});

// ---- signing in and out

const credentials = () => ({ email: $("email").value, password: $("password").value });

on("sign-in-form", "submit", async () => {
  await auth.login(credentials());
  $("password").value = "";
});

on("sign-up", "click", async () => {
  const registered = await auth.register(credentials());
  if (registered.status === "verification_required") tell("Open the link in the mail that we have sent you.");
});

on("sign-out", "click", () => auth.logout());
on("sign-out-everywhere", "click", () => auth.logoutEverywhere());
on("rename-form", "submit", () => updateUser(auth, { name: $("name").value || null }));

// ---- a stream

let stopped = new AbortController();
on("stop", "click", async () => stopped.abort());

on("chat-form", "submit", async () => {
  stopped = new AbortController();
  $("stop").disabled = false;
  $("reply").textContent = "";
  try {
    const answer = await auth.fetch("/chat/stream", { method: "POST", body: $("words").value, signal: stopped.signal });
    if (!answer.ok) throw new Error(`The service said ${answer.status}.`);
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    for (let part = await reader.read(); !part.done; part = await reader.read()) $("reply").append(part.value);
  } finally {
    $("stop").disabled = true;
  }
});

// ---- many calls at once

on("calls-form", "submit", async () => {
  const { dataset } = $("result");
  delete dataset.good;
  $("result").textContent = "…";
  const calls = Array.from({ length: Number($("count").value) }, () => auth.fetch("/things"));
  const answers = await Promise.allSettled(calls);
  const good = answers.filter(({ value }) => value?.ok).length;
  const refused = answers.filter(({ value }) => value?.status === 401).length;
  Object.assign(dataset, { refused, failed: answers.length - good - refused, good });
  $("result").textContent = `${good} good, ${refused} refused, ${answers.length - good - refused} failed`;
});

on("refresh", "click", () => auth.refresh());

// ---- who is it?

attempt(async () => {
  try {
    show(await auth.getSession());
  } catch (error) {
    // Not known, and not signed out: it is tried again when the page is shown, or online, or when something is clicked.
    document.body.dataset.state = "unknown";
    throw error;
  }
});
for (const event of ["online", "focus"]) {
  addEventListener(event, () => document.body.dataset.state === "unknown" && attempt(async () => show(await auth.getSession())));
}
