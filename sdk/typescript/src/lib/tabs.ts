import { type ErrorCode, type ErrorFacts, PortcullisError } from "../errors.js";
import type { SignOutReason } from "../session.js";
import type { Held, Holder } from "./holder.js";
import type { ServerTime } from "./server-time.js";

/** What tabs tell each other. */
export type Message =
  /** Who is signed in, and the token. */
  | { readonly type: "in"; readonly held: Held; readonly offset: number }
  /** The session has ended. Without `sid`: nobody was signed in. */
  | { readonly type: "out"; readonly sid: string | undefined; readonly reason: SignOutReason }
  /** Does anybody have a token other than this? */
  | { readonly type: "ask"; readonly token: string | undefined }
  /** A refresh has failed, which says nothing of the session. */
  | { readonly type: "failed"; readonly code: ErrorCode; readonly message: string; readonly facts: ErrorFacts };

/** A way between the tabs of one origin, as `BroadcastChannel` is one. */
export interface Channel {
  /** Sends to all others of the same name. */
  postMessage(message: unknown): void;
  /** Called with what others send. */
  onmessage: ((event: MessageEvent) => void) | null;
  /** Hears and says nothing any more. */
  close(): void;
  /** Messages are written down somewhere: then no token may be in them. */
  readonly leavesTraces?: boolean;
}

/** The other tabs. */
export interface Tabs {
  /** Whether somebody may answer. */
  readonly mayAnswer: boolean;
  /** Asks the others for a token that is newer than ours; an answer goes to the holder. */
  ask(): void;
  /** Tells the others that a refresh has failed: who waits for it need not try the same. */
  fail(error: PortcullisError): void;
  /** Called when that has happened elsewhere. */
  onfail: ((error: PortcullisError) => void) | undefined;
  open(): void;
  close(): void;
}

/** Keeps the holders of all tabs alike: tells the others what happens here, and takes what happens there. */
export function createTabs(connect: () => Channel | undefined, holder: Holder, time: ServerTime): Tabs {
  let channel: Channel | undefined;

  function post(message: Message): void {
    if (channel && !(channel.leavesTraces && message.type !== "out")) channel.postMessage(message);
  }

  function tell(held: Held): void {
    post({ type: "in", held, offset: time.offset });
  }

  function receive(message: Message): void {
    const { held } = holder;
    switch (message.type) {
      case "in":
        // Its times are by its own idea of the issuer's clock.
        time.offset = message.offset;
        return holder.offer(message.held);
      case "out":
        return holder.end(message.sid, message.reason, "other");
      case "ask":
        if (held && held.token !== message.token && held.expiresAt > time.now()) tell(held);
        return;
      case "failed":
        tabs.onfail?.(new PortcullisError(message.code, message.message, message.facts));
    }
  }

  let last: string | undefined;
  holder.listen((held, how, reason) => {
    if (how === "own") {
      if (held) tell(held);
      else if (reason) post({ type: "out", sid: last, reason });
    }
    last = held?.sid;
  });

  const tabs: Tabs = {
    get mayAnswer() {
      return channel !== undefined && !channel.leavesTraces;
    },
    ask: () => post({ type: "ask", token: holder.held?.token }),
    fail({ code, message, status, retryAfter }) {
      const facts = { status, ...(retryAfter !== undefined && { retryAfter }) };
      post({ type: "failed", code, message, facts });
    },
    onfail: undefined,
    open() {
      if (channel || !(channel = connect())) return;
      channel.onmessage = (event: MessageEvent<Message>) => receive(event.data);
    },
    close() {
      channel?.close();
      channel = undefined;
    },
  };
  tabs.open();
  return tabs;
}
