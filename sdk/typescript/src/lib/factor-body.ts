import type { FactorAnswer } from "../requests.js";

/** As it is on the wire. */
export function factorBody({ rememberDevice, ...rest }: FactorAnswer): object {
  return { ...rest, remember_device: rememberDevice };
}
