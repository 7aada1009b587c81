import type { Clock } from "../../src/lib/clock.js";

interface Timer {
  readonly at: number;
  readonly id: number;
  readonly run: () => void;
}

/** Time that passes only when it is told to. */
export class FakeClock implements Clock {
  #now: number;
  #timers: Timer[] = [];
  #last = 0;

  constructor(now = Date.UTC(2026, 0, 1)) {
    this.#now = now;
  }

  now(): number {
    return this.#now;
  }

  /** Sets this clock without time passing, as an operator does. */
  set(now: number): void {
    const by = now - this.#now;
    this.#timers = this.#timers.map((timer) => ({ ...timer, at: timer.at + by }));
    this.#now = now;
  }

  setTimeout(run: () => void, milliseconds: number): unknown {
    const id = ++this.#last;
    this.#timers.push({ at: this.#now + Math.max(0, milliseconds), id, run });
    this.#timers.sort((a, b) => a.at - b.at || a.id - b.id);
    return id;
  }

  clearTimeout(id: unknown): void {
    this.#timers = this.#timers.filter((timer) => timer.id !== id);
  }

  /** Lets so many milliseconds pass, with all that happens in them. */
  async pass(milliseconds: number): Promise<void> {
    const end = this.#now + milliseconds;
    await settle();
    while (this.#timers[0] && this.#timers[0].at <= end) await this.#step();
    this.#now = end;
    await settle();
  }

  /** Lets as much time pass as something needs, at most an hour. */
  async until<T>(promise: Promise<T>): Promise<T> {
    const end = this.#now + 3_600_000;
    let isSettled = false;
    const done = () => void (isSettled = true);
    promise.then(done, done);
    await settle();
    while (!isSettled && this.#timers[0] && this.#timers[0].at <= end) await this.#step();
    if (!isSettled) throw new Error("This will never happen: nothing is left to wait for.");
    return promise;
  }

  async #step(): Promise<void> {
    const timer = this.#timers.shift();
    if (!timer) return;
    this.#now = Math.max(this.#now, timer.at);
    timer.run();
    await settle();
  }
}

/** Until all promises that can go on have gone on; streams take some turns. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
}

/** Numbers between 0 and 1 that look random and are the same for the same seed (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
