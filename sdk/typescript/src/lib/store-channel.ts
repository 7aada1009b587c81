import type { Store } from "./locks.js";
import type { Channel } from "./tabs.js";

/**
 * Where `BroadcastChannel` is missing: messages by way of `localStorage`, whose changes other tabs are told. No token
 * goes this way, so a tab that is told of nothing but sign-outs refreshes by itself.
 */
export function createStoreChannel(name: string, store: Store): Channel {
  const hear = (event: StorageEvent) => {
    if (event.key !== name || !event.newValue) return;
    channel.onmessage?.(new MessageEvent("message", { data: JSON.parse(event.newValue) }));
  };
  const channel: Channel = {
    leavesTraces: true,
    onmessage: null,
    postMessage(message) {
      try {
        store.setItem(name, JSON.stringify(message));
        store.removeItem(name);
      } catch {
        // Full, or forbidden: then the other tabs find out when they ask for something.
      }
    },
    close: () => removeEventListener("storage", hear),
  };
  addEventListener("storage", hear);
  return channel;
}
