// The page's clock, which can be moved: as that of a machine that slept, or one that is wrong.

/** Lets the pages that are opened from now on have a clock that is `offset` milliseconds off. */
export async function moveClocks(context, offset = 0) {
  await context.addInitScript((offset) => {
    const now = Date.now.bind(Date);
    Date.now = () => now() + offset;
    addEventListener("move-clock", ({ detail }) => (offset += detail));
  }, offset);
}

/** Moves the clock of a page that has been opened, which notices nothing of that by itself. */
export function moveClock(tab, milliseconds) {
  return tab.evaluate((detail) => void dispatchEvent(new CustomEvent("move-clock", { detail })), milliseconds);
}
