// What an injected script would do: look for tokens wherever a script can look.

/**
 * Goes through everything that a script of the page can read without asking the network.
 *
 * @param {import("playwright-core").Page} page
 * @param {string[]} secrets what must not be found, whole or its last part
 * @returns {Promise<{ found: string[], looked: Record<string, number> }>} where it was found; how many strings were read where
 */
export function searchForTokens(page, secrets) {
  return page.evaluate(search, secrets.flatMap((secret) => [secret, secret.slice(-40)]));
}

/** Runs in the page. */
async function search(secrets) {
  const JWT = /eyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]{20,}/;
  const found = [];
  const looked = {};
  // Some properties of the window throw, or are slow and cannot hold anything of ours.
  const seen = new WeakSet();

  function read(text, where) {
    const [place] = where.split(/[.\[]/);
    looked[place] = (looked[place] ?? 0) + 1;
    if (JWT.test(text) || secrets.some((secret) => text.includes(secret))) found.push(where);
  }

  function walk(root, path) {
    const queue = [[root, path]];
    for (let at = 0; at < queue.length; at++) {
      const [value, where] = queue[at];
      if (typeof value === "string") read(value, where);
      else if (typeof value === "symbol") read(String(value.description), where);
      if ((typeof value !== "object" && typeof value !== "function") || value === null || seen.has(value)) continue;
      seen.add(value);
      const add = (part, name) => queue.push([part, `${where}.${name}`]);
      if (value instanceof Map) for (const [key, part] of value) add(key, "key"), add(part, `get(${String(key)})`);
      if (value instanceof Set) for (const part of value) add(part, "member");
      if (typeof value === "function") read(Function.prototype.toString.call(value), where);
      if (ArrayBuffer.isView(value) && value.byteLength < 1e6) read(new TextDecoder().decode(value), where);
      for (const key of Reflect.ownKeys(value)) {
        read(String(typeof key === "symbol" ? key.description : key), where);
        try {
          add(value[key], String(key));
        } catch {
          // A getter that wants another object.
        }
        const { get, set } = Reflect.getOwnPropertyDescriptor(value, key) ?? {};
        add(get, `get ${String(key)}`);
        add(set, `set ${String(key)}`);
      }
      add(Object.getPrototypeOf(value), "prototype");
      // Getters of the prototype, asked for this very object: a frame, a node, a form.
      for (let kind = Object.getPrototypeOf(value); kind && kind !== Object.prototype; kind = Object.getPrototypeOf(kind)) {
        for (const [key, { get }] of Object.entries(Object.getOwnPropertyDescriptors(kind))) {
          if (!get) continue;
          try {
            const part = get.call(value);
            if (typeof part === "string" || (typeof part === "object" && part)) add(part, key);
          } catch {
            // Of another object.
          }
        }
      }
    }
  }

  walk(globalThis, "window");
  read(document.cookie, "cookie");
  read(document.documentElement.outerHTML, "document");
  for (const [name, storage] of Object.entries({ localStorage, sessionStorage })) {
    read("", name);
    for (const key of Object.keys(storage)) read(key, name), read(storage.getItem(key), `${name}.${key}`);
  }
  read(JSON.stringify(history.state) ?? "", "history");
  for (const entry of performance.getEntries()) read(JSON.stringify(entry), "performance");

  read("", "indexedDB");
  for (const { name } of await indexedDB.databases()) {
    const wait = (request) => new Promise((resolve, reject) => Object.assign(request, { onsuccess: () => resolve(request.result), onerror: reject }));
    const database = await wait(indexedDB.open(name));
    for (const store of database.objectStoreNames) {
      const rows = database.transaction(store).objectStore(store);
      walk(await Promise.all([wait(rows.getAllKeys()), wait(rows.getAll())]), `indexedDB.${name}`);
    }
    database.close();
  }
  read("", "caches");
  for (const name of await caches.keys()) {
    const cache = await caches.open(name);
    for (const request of await cache.keys()) {
      read(request.url, `caches.${name}`);
      read(await (await cache.match(request)).text(), `caches.${name}`);
    }
  }
  return { found, looked };
}
