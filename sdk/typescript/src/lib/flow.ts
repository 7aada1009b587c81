/** Keeps what belongs to an attempt to sign in, over the way to the provider and back. */
export type FlowStore = Pick<Storage, "getItem" | "setItem" | "removeItem">;

/** Ties the way back to the browser that went. Good for ten minutes and one sign-in; no token. */
export interface Flow {
  readonly provider: string;
  readonly secret: string;
}

const key = (state: string) => `portcullis:flow:${state}`;

/** What Portcullis answers where an attempt begins. */
export interface Started {
  readonly authorization_url: string;
  readonly state: string;
  readonly flow_secret: string;
}

/** Keeps what has begun; where to send the browser. */
export function rememberFlow(store: FlowStore, provider: string, started: Started): string {
  const flow: Flow = { provider, secret: started.flow_secret };
  store.setItem(key(started.state), JSON.stringify(flow));
  return started.authorization_url;
}

/** Only once: nobody comes back twice. */
export function recallFlow(store: FlowStore, state: string): Flow | undefined {
  const text = store.getItem(key(state));
  store.removeItem(key(state));
  return text === null ? undefined : (JSON.parse(text) as Flow);
}
