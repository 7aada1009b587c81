import { fileURLToPath } from "node:url";

/** Where pictures and logs are kept. */
export const OUT = fileURLToPath(new URL("../out", import.meta.url));
