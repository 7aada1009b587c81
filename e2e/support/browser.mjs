// Chromium as people have it: windows that are hidden and frozen for real, and a profile that can be set up.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

const BINARY = process.env.CHROMIUM_BIN ?? "/usr/bin/chromium";

/** Nothing that asks anybody but us, and pages that are kept for going back to. */
const FLAGS = [
  "--headless=new",
  "--remote-debugging-port=0",
  "--no-first-run",
  "--no-default-browser-check",
  "--no-proxy-server",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-default-apps",
  "--disable-extensions",
  "--disable-sync",
  "--disable-gpu",
  "--disable-dev-shm-usage",
  "--password-store=basic",
  "--use-mock-keychain",
];

/**
 * @typedef Browser
 * @property {import("playwright-core").BrowserContext} profile whose windows are hidden when nobody sees them
 * @property {() => Promise<import("playwright-core").BrowserContext>} newPerson somebody else, whose pages are always seen
 * @property {(url: string) => Promise<import("playwright-core").Page>} newWindow a window of the profile
 * @property {() => Promise<void>} close
 */

/**
 * @param {{ preferences?: object, flags?: string[] }} [options] `preferences` of the profile, as Chromium writes them
 * @returns {Promise<Browser>}
 */
export async function startBrowser({ preferences, flags = [] } = {}) {
  const directory = await mkdtemp(join(tmpdir(), "portcullis-e2e-"));
  if (preferences) {
    await mkdir(join(directory, "Default"));
    await writeFile(join(directory, "Default", "Preferences"), JSON.stringify(preferences));
  }
  // Chromium's sandbox cannot be had as root.
  const sandbox = process.getuid?.() === 0 ? ["--no-sandbox"] : [];
  const process_ = spawn(BINARY, [...FLAGS, ...sandbox, ...flags, `--user-data-dir=${directory}`, "about:blank"], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  const browser = await chromium.connectOverCDP(await address(process_), { noDefaults: true });
  const [profile] = browser.contexts();
  const control = await browser.newBrowserCDPSession();

  return {
    profile,
    newPerson: () => browser.newContext(),
    async newWindow(url) {
      const opened = profile.waitForEvent("page");
      await control.send("Target.createTarget", { url: "about:blank", newWindow: true });
      const page = await opened;
      await page.goto(url);
      return page;
    },
    async close() {
      const gone = process_.exitCode === null && once(process_, "exit");
      await control.send("Browser.close").catch(() => process_.kill());
      await gone;
      await rm(directory, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

/** Where it can be reached, which it says on standard error. */
function address(process_) {
  return new Promise((resolve, reject) => {
    let told = "";
    process_.once("error", (error) => reject(new Error(`${BINARY}: ${error.message}. On Debian: apt-get install chromium`)));
    process_.once("exit", (status) => reject(new Error(`${BINARY} ended with ${status}:\n${told}`)));
    process_.stderr.on("data", (part) => {
      told += part;
      const found = /DevTools listening on (ws:\S+)/.exec(told);
      if (found) resolve(found[1]);
    });
  });
}
