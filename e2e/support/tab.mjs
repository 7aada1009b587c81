// What people do with the page of examples/spa.

export const PASSWORD = "seven purple gates";
let count = 0;

/** An address that nobody has. */
export const newEmail = () => `user-${process.pid}-${++count}@example.org`;

/** Opens the page in a tab, and waits until it knows who is signed in. */
export async function open(context, url, state = "signed-out") {
  const tab = await context.newPage();
  await tab.goto(url);
  await shows(tab, state);
  return tab;
}

/** Waits until the page shows `signed-in` or `signed-out`. */
export async function shows(tab, state) {
  await tab.waitForSelector(`body[data-state="${state}"]`, { state: "attached" });
}

export async function signUp(tab, email = newEmail()) {
  await enter(tab, email, "#sign-up");
  await shows(tab, "signed-in");
  return email;
}

export async function signIn(tab, email) {
  await enter(tab, email, "#sign-in");
  await shows(tab, "signed-in");
}

/** Fills the form in and sends it. */
export async function enter(tab, email, button, password = PASSWORD) {
  await tab.fill("#email", email);
  await tab.fill("#password", password);
  await tab.click(button);
}

export async function signOut(tab) {
  await tab.click("#sign-out");
  await shows(tab, "signed-out");
}

/** Presses the button that refreshes, and waits for the token; resolves to it. */
export async function refresh(tab) {
  const [answer] = await Promise.all([
    tab.waitForResponse((answer) => answer.url().endsWith("/auth/refresh") && answer.request().method() === "POST"),
    tab.click("#refresh"),
  ]);
  return (await answer.json()).access_token;
}

/**
 * Lets the page ask its service so many times at once, also in a window that nobody sees.
 *
 * @returns {Promise<{ good: number, refused: number, failed: number }>}
 */
export function call(tab, times) {
  return tab.evaluate(async (times) => {
    const result = document.getElementById("result");
    document.getElementById("count").value = times;
    const done = new Promise((resolve) => {
      const observer = new MutationObserver(() => {
        if (result.dataset.good === undefined) return;
        observer.disconnect();
        resolve();
      });
      observer.observe(result, { attributes: true });
    });
    document.getElementById("calls-form").requestSubmit();
    await done;
    const { good, refused, failed } = result.dataset;
    return { good: Number(good), refused: Number(refused), failed: Number(failed) };
  }, times);
}

/** What has happened, as the page's log tells it. */
export function events(tab) {
  return tab.$$eval("#log li", (entries) => entries.map(({ dataset }) => dataset.event));
}
