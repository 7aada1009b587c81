// Windows that are hidden, stopped and woken by the browser itself, as it does with those that nobody looks at.

/**
 * Opens windows of one profile, all with the same page.
 *
 * @param {import("./browser.mjs").Browser} browser
 */
export async function openWindows(browser, url, count) {
  const windows = [];
  for (let opened = 0; opened < count; opened++) {
    const page = await browser.newWindow(url);
    windows.push({ page, devtools: await browser.profile.newCDPSession(page) });
  }
  const all = (run) => Promise.all(windows.map(run));
  return {
    pages: windows.map(({ page }) => page),
    /** Hidden, and no task of theirs runs. */
    freeze: () => all(({ devtools }) => devtools.send("Page.setWebLifecycleState", { state: "frozen" })),
    /** Running again and seen, all at once. */
    wake: () =>
      all(async ({ page, devtools }) => {
        await devtools.send("Page.setWebLifecycleState", { state: "active" });
        await page.bringToFront();
      }),
    /** Running again, and seen by nobody. */
    thaw: () => all(({ devtools }) => devtools.send("Page.setWebLifecycleState", { state: "active" })),
  };
}
