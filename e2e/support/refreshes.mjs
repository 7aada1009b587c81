import { claimsOf } from "./tokens.mjs";

/**
 * Refreshes that leave a browser, as they are answered: `{ status, gen }`, where `gen` is the generation of the token.
 *
 * `since(mark)` waits for answers that are under way.
 */
export function watchRefreshes(context, world) {
  const asked = [];
  context.on("request", (request) => {
    if (request.method() === "POST" && request.url() === `${world.auth}/auth/refresh`) asked.push(outcome(request));
  });
  return {
    get count() {
      return asked.length;
    },
    since: (mark) => Promise.all(asked.slice(mark)),
  };
}

async function outcome(request) {
  const answer = await request.response();
  if (!answer) return { status: 0 };
  if (!answer.ok()) return { status: answer.status() };
  const { access_token } = await answer.json();
  const { sid, gen } = claimsOf(access_token);
  return { status: 200, sid, gen, token: access_token };
}
