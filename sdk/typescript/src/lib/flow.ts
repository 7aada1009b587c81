/** Keeps what belongs to an attempt to sign in, over the way to the provider and back. */
export type FlowStore = Pick<Storage, "getItem" | "setItem" | "removeItem">;

/** Ties the way back to the browser that went. Good for ten minutes and one sign-in; no token. */
export interface Flow {
  readonly provider: string;
  readonly secret: string;
}

const key = (state: string) => `portcullis:flow:${state}`;

export function rememberFlow(store: FlowStore, state: string, flow: Flow): void {
  store.setItem(key(state), JSON.stringify(flow));
}

/** Only once: nobody comes back twice. */
export function recallFlow(store: FlowStore, state: string): Flow | undefined {
  const text = store.getItem(key(state));
  store.removeItem(key(state));
  return text === null ? undefined : (JSON.parse(text) as Flow);
}
