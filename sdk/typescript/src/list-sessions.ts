import type { CallOptions, Client } from "./create-client.js";
import type { SessionPage } from "./generated/schemas.js";
import { core } from "./lib/core.js";
import type { PageOf } from "./requests.js";

/** The user's sessions, the newest first. */
export function listSessions(client: Client, page: PageOf = {}, options: CallOptions = {}): Promise<SessionPage> {
  const query = new URLSearchParams();
  if (page.limit !== undefined) query.set("limit", String(page.limit));
  if (page.cursor !== undefined) query.set("cursor", page.cursor);
  return client[core].askAsUser(`/auth/sessions?${query}`, options);
}
