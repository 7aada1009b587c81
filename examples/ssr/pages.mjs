// The pages. Whatever is put into one is escaped by `html`.

const ESCAPES = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };

/** HTML that is safe to be put into other HTML. */
class Html {
  constructor(text) {
    this.text = text;
  }
}

function html(parts, ...values) {
  const safe = values.map((value) => (value instanceof Html ? value.text : escape(value)));
  return new Html(parts.reduce((text, part, at) => text + safe[at - 1] + part));
}

const escape = (value) => String(value ?? "").replace(/[&<>"']/g, (character) => ESCAPES[character]);

function page(title, content) {
  return html`<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${title}</title>
<link rel="icon" href="data:,">
<style>
  :root { color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif; }
  body { max-width: 26rem; margin: 4rem auto; padding: 0 1.25rem; }
  label { display: block; margin: 0.75rem 0; }
  input { display: block; width: 100%; box-sizing: border-box; font: inherit; padding: 0.45rem; }
  button { font: inherit; padding: 0.4rem 1rem; margin-right: 0.5rem; }
  [role=alert] { color: light-dark(#b3261e, #f2b8b5); }
</style>
<h1>${title}</h1>
${content}
</html>`.text;
}

const signOut = html`<form method="post" action="/sign-out"><button>Sign out</button></form>`;

export function homePage(user) {
  const content = user ? html`<p><a href="/account">Your account</a></p>${signOut}` : html`<p><a href="/sign-in">Sign in</a></p>`;
  return page(`Hello, ${user ? (user.name ?? user.email) : "whoever you are"}`, content);
}

export function signInPage(email = "", problem = "") {
  return page(
    "Sign in",
    html`${problem ? html`<p role="alert">${problem}</p>` : ""}
<form method="post" action="/sign-in">
  <label>E-mail <input name="email" type="email" autocomplete="username" required value="${email}"></label>
  <label>Password <input name="password" type="password" autocomplete="current-password" required></label>
  <button>Sign in</button>
  <button name="new" value="yes">Sign up</button>
</form>`,
  );
}

export function accountPage(user, claims) {
  return page(
    "Your account",
    html`<dl>
  <dt>E-mail</dt><dd>${user.email}</dd>
  <dt>Role</dt><dd>${user.role}</dd>
  <dt>Session</dt><dd id="session">${claims?.sid}, generation <span id="generation">${claims?.gen}</span></dd>
</dl>
${signOut}`,
  );
}

export function messagePage(text) {
  return page("Oh", html`<p>${text}</p><p><a href="/">Back</a></p>`);
}
