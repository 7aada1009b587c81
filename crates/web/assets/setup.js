// The token stands behind the # of the link, so that it never reaches a log. Only the button spends it.
const token = new URLSearchParams(location.hash.slice(1)).get("token") ?? "";
const form = document.getElementById("setup");
const message = document.getElementById("message");
history.replaceState(null, "", location.pathname);

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const { email, name, password } = Object.fromEntries(new FormData(form));
  message.textContent = "…";
  try {
    const response = await fetch("/auth/setup", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ token, email, password, ...(name ? { name } : {}) }),
    });
    const body = await response.json();
    if (response.ok) {
      form.replaceChildren(message);
      message.textContent = `${body.user.email} is the administrator now.`;
    } else {
      message.textContent = (body.errors ?? []).map((error) => error.message).join(" ") || body.detail;
    }
  } catch {
    message.textContent = "The server cannot be reached. Try again.";
  }
});
