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
    const devtools = await browser.profile.newCDPSession(page);
    const { windowId } = await devtools.send("Browser.getWindowForTarget");
    windows.push({ page, devtools, windowId });
  }
  const all = (run) => Promise.all(windows.map(run));
  const setWindows = (windowState) =>
    all(({ devtools, windowId }) => devtools.send("Browser.setWindowBounds", { windowId, bounds: { windowState } }));
  const setPages = (state) => all(({ devtools }) => devtools.send("Page.setWebLifecycleState", { state }));
  return {
    pages: windows.map(({ page }) => page),
    /** Hidden, and stopped: no task of theirs runs. */
    async freeze() {
      await setWindows("minimized");
      await setPages("frozen");
    },
    /** Running again, and still hidden: their timers come once a second. */
    thaw: () => setPages("active"),
    /** Running again, and seen. */
    async wake() {
      await setPages("active");
      await setWindows("normal");
    },
  };
}
