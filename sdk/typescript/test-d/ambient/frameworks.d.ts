/** What snippets use of frameworks that are not installed here. */
declare module "next/server" {
  export class NextRequest extends Request {
    readonly nextUrl: URL;
  }
  export class NextResponse extends Response {
    static next(init?: { request?: { headers?: Headers } }): NextResponse;
    static redirect(url: string | URL, status?: number): NextResponse;
  }
}
declare module "next/headers" {
  export function headers(): Promise<Pick<Headers, "get" | "has" | "entries" | typeof Symbol.iterator>>;
}
declare module "express" {
  interface Incoming extends Express.Request {
    readonly method: string;
    readonly url: string;
    readonly originalUrl: string;
    readonly headers: Record<string, string | string[] | undefined>;
    readonly body: Record<string, string>;
    [Symbol.asyncIterator](): AsyncIterableIterator<Uint8Array>;
  }
  interface Outgoing {
    readonly destroyed: boolean;
    statusCode: number;
    writeHead(status: number, ...more: unknown[]): this;
    getHeader(name: string): number | string | string[] | undefined;
    setHeader(name: string, value: number | string | readonly string[]): this;
    write(part: Uint8Array): boolean;
    end(): this;
    once(event: string, listener: () => void): this;
    off(event: string, listener: () => void): this;
    send(body: string): this;
    redirect(to: string): void;
  }
  type Handler = (request: Incoming, response: Outgoing, next: (error?: unknown) => void) => void;
  interface App {
    use(...handlers: (Handler | string)[]): App;
    get(path: string, handler: Handler): App;
    post(path: string, handler: Handler): App;
    listen(port: number): unknown;
  }
  function express(): App;
  namespace express {
    function urlencoded(options: { extended: boolean }): Handler;
  }
  export default express;
}
