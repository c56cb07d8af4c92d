// The public API, as any client would call it.

/** A reply that is no success. `body` is a problem (RFC 9457), or made into the shape of one. */
export class Problem extends Error {
  constructor(body, call) {
    super(body.title);
    this.body = body;
    this.call = call;
  }

  /** The last part of the problem's type, such as `token-expired`. */
  get kind() {
    return String(this.body.type ?? '').split('/').pop();
  }
}

/** The demo clients of the local stack. */
export async function demo(signal) {
  let reply;
  try {
    reply = await fetch('/demo.json', { cache: 'no-store', signal });
  } catch (error) {
    throw unanswered(error, { method: 'GET', path: '/demo.json' });
  }
  if (!reply.ok) {
    throw new Problem({
      title: 'There are no demo clients here',
      status: reply.status,
      detail: 'Only the local stack gives out demo credentials. Start it and open its address.',
    }, null);
  }
  return reply.json();
}

/** A client of the API: its credentials, its token and what it was last told about its credits. */
export class Client {
  #token = null;
  #tokenInFlight = null;

  /**
   * @param name the name of the demo client
   * @param config what `/demo.json` says
   * @param signal ends every call of this client
   */
  constructor(name, config, signal) {
    this.name = name;
    this.config = config;
    this.signal = signal;
    /** Called with the credits that are left, whenever a reply tells them. */
    this.onCredits = () => {};
  }

  /**
   * Calls the API. Returns what was sent and what came back.
   *
   * @throws {Problem} for every reply that is no success, and for none at all
   */
  async call(method, path, { body, idempotencyKey, anonymous = false } = {}) {
    const send = () => this.#send(method, path, { body, idempotencyKey, anonymous });
    try {
      return await send();
    } catch (error) {
      if (anonymous || !(error instanceof Problem) || error.call?.status !== 401) throw error;
      this.#token = null;
      // A stack that was started again has other keys, and may have other clients.
      if (error.kind !== 'token-expired') this.config = await demo(this.signal);
      return send();
    }
  }

  async #send(method, path, { body, idempotencyKey, anonymous }) {
    const headers = {};
    if (!anonymous) headers.Authorization = `Bearer ${await this.#accessToken()}`;
    if (idempotencyKey) headers['Idempotency-Key'] = idempotencyKey;
    if (body !== undefined) headers['Content-Type'] = 'application/json';
    const call = { method, path, headers, body, base: this.config.base_url };

    const started = performance.now();
    let reply;
    let text;
    try {
      reply = await fetch(path, {
        method,
        headers,
        body: body === undefined ? undefined : JSON.stringify(body),
        cache: 'no-store',
        signal: this.signal,
      });
      text = await reply.text();
    } catch (error) {
      throw unanswered(error, call);
    }
    call.ms = performance.now() - started;
    call.status = reply.status;
    call.limits = reply.headers.get('RateLimit');
    call.retryAfter = Number.parseInt(reply.headers.get('Retry-After') ?? '', 10) || 0;
    call.json = parsed(text);

    const credits = /"credits";r=(\d+)/.exec(call.limits ?? '');
    if (credits) this.onCredits(Number(credits[1]));
    if (!reply.ok) throw new Problem(problemOf(call), call);
    return call;
  }

  /** The token; calls that need it at the same time share one request. */
  async #accessToken() {
    if (this.#token) return this.#token;
    this.#tokenInFlight ??= this.#issueToken().finally(() => { this.#tokenInFlight = null; });
    this.#token = await this.#tokenInFlight;
    return this.#token;
  }

  async #issueToken() {
    const { client_id: id, client_secret: secret } = this.config.clients[this.name];
    const call = { method: 'POST', path: '/oauth/token' };
    let reply;
    let text;
    try {
      reply = await fetch(call.path, {
        method: 'POST',
        headers: {
          // RFC 6749, 2.3.1: both parts are form-encoded before they are joined.
          Authorization: `Basic ${btoa(`${encodeURIComponent(id)}:${encodeURIComponent(secret)}`)}`,
          'Content-Type': 'application/x-www-form-urlencoded',
        },
        body: 'grant_type=client_credentials',
        signal: this.signal,
      });
      text = await reply.text();
    } catch (error) {
      throw unanswered(error, call);
    }
    // Its status is left out: a refused client is no expired token, and asking again would not help.
    call.json = parsed(text);
    if (!reply.ok) {
      throw new Problem({ status: reply.status, ...problemOf({ ...call, status: reply.status }) }, call);
    }
    return call.json.access_token;
  }
}

/**
 * Keys for requests that cost credits. The same request keeps its key until it is answered, so that
 * sending it again after a lost reply is paid once.
 */
export class IdempotencyKeys {
  #open = new Map();

  /** Sends `body` with its key. */
  async post(client, path, body) {
    const request = JSON.stringify([client.name, path, body]);
    const key = this.#open.get(request) ?? crypto.randomUUID();
    this.#open.set(request, key);
    try {
      const call = await client.call('POST', path, { body, idempotencyKey: key });
      this.#open.delete(request);
      return call;
    } catch (error) {
      const status = error instanceof Problem ? error.call?.status : undefined;
      const unsure = status === undefined || status >= 500 || error.kind === 'idempotency-key-in-use';
      if (!unsure) this.#open.delete(request);
      throw error;
    }
  }
}

/** A call as a command. With `whole`, the token is in it; without, it is shortened for the eye. */
export function curlOf(call, whole) {
  const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;
  const parts = [call.method === 'GET' ? 'curl' : `curl -X ${call.method}`];
  parts[0] += ` ${quoted(new URL(call.path, call.base ?? location.origin).href)}`;
  for (const [name, value] of Object.entries(call.headers ?? {})) {
    const shown = name === 'Authorization' && !whole ? shortened(value) : value;
    parts.push(`-H ${quoted(`${name}: ${shown}`)}`);
  }
  if (call.body !== undefined) parts.push(`--data ${quoted(JSON.stringify(call.body))}`);
  return parts.join(' \\\n  ');
}

function shortened(value) {
  return value.length > 40 ? `${value.slice(0, 20)}…${value.slice(-6)}` : value;
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text === '' ? null : text;
  }
}

function problemOf({ json, status, method, path }) {
  if (json && typeof json.title === 'string') return json;
  // RFC 6749 has a form of its own.
  if (json && typeof json.error === 'string') {
    return { title: `The client was refused: ${json.error}`, status, detail: json.error_description ?? '' };
  }
  return {
    title: 'The reply was not understood',
    status,
    detail: `${method} ${path} was answered with status ${status} and no problem document.`,
  };
}

function unanswered(error, call) {
  if (error.name === 'AbortError') return error;
  return new Problem({
    title: 'The service did not answer',
    detail: `${call.method} ${call.path} got no reply. Check that the service runs, then try again.`,
  }, call);
}
