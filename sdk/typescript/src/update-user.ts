import type { CallOptions, Client } from "./create-client.js";
import type { User } from "./generated/schemas.js";
import { core } from "./lib/core.js";
import type { UserChange } from "./requests.js";

/** Changes the user's own data; other tabs see it at once. Rejects with `username_taken`, `validation_failed`. */
export async function updateUser(client: Client, change: UserChange, options: CallOptions = {}): Promise<User> {
  const user = await client[core].askAsUser<User>("/auth/me", { method: "PATCH", body: change, ...options });
  client[core].update({ user });
  return user;
}
