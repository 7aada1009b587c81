/** Where time comes from. Tests bring one that stands still until it is moved. */
export interface Clock {
  /** Milliseconds since the Unix epoch. */
  now(): number;
  /** As the global function. */
  setTimeout(run: () => void, milliseconds: number): unknown;
  /** As the global function. */
  clearTimeout(timer: unknown): void;
}

/** The clock of this machine. */
export const systemClock: Clock = {
  now: () => Date.now(),
  setTimeout: (run, milliseconds) => setTimeout(run, milliseconds),
  clearTimeout: (timer) => clearTimeout(timer as number),
};

/** Resolves after so many milliseconds. */
export function pause(clock: Clock, milliseconds: number): Promise<void> {
  return new Promise((resolve) => void clock.setTimeout(resolve, milliseconds));
}
