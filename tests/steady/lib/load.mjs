// Clients that send requests all the time, each the next one when it has the answer to the last.
import http from 'node:http';
import { quantile } from './world.mjs';

/** The longest time to an answer. */
const PATIENCE = 40_000;

/** Sends one request. `status` is 0 if there was no answer; `text` then says why. */
export function ask(origin, { method = 'GET', path, headers = {}, body }, agent) {
  const begun = performance.now();
  return new Promise(resolve => {
    let done = false;
    const end = (status, text, answer) => {
      if (done) return;
      done = true;
      clearTimeout(late);
      resolve({ status, text, headers: answer?.headers ?? {}, ms: performance.now() - begun });
    };
    const { hostname, port } = new URL(origin);
    const length = body === undefined ? {} : { 'Content-Length': Buffer.byteLength(body) };
    const request = http.request({ hostname, port, method, path, headers: { ...headers, ...length }, agent }, answer => {
      let text = '';
      answer.setEncoding('utf8').on('data', part => { text += part; });
      answer.on('end', () => end(answer.statusCode, text, answer)).on('error', error => end(0, error.message));
    });
    const late = setTimeout(() => {
      end(0, `no answer within ${PATIENCE} ms`);
      request.destroy();
    }, PATIENCE);
    request.on('error', error => end(0, error.code ?? error.message));
    request.end(body);
  });
}

/** A kind of requests: how many there were, how long they took, which ones failed. */
class Kind {
  statuses = new Map();
  times = [];
  failures = [];

  constructor(name, good) {
    Object.assign(this, { name, good });
  }

  count({ status, text, ms }) {
    this.statuses.set(status, (this.statuses.get(status) ?? 0) + 1);
    this.times.push(ms);
    if (!this.good.includes(status)) this.failures.push(`${status} at ${new Date().toISOString().slice(17, 23)} after ${ms.toFixed(0)} ms: ${text.replaceAll(/\s+/g, ' ').slice(0, 120)}`);
  }

  get requests() {
    return this.times.length;
  }

  toString() {
    const statuses = [...this.statuses].sort().map(([status, count]) => `${status || 'no answer'}: ${count}`).join(', ');
    return `${this.name}: ${this.requests} requests (${statuses}), p50 ${quantile(this.times, 0.5).toFixed(1)} ms, p99 ${quantile(this.times, 0.99).toFixed(1)} ms`;
  }
}

export class Load {
  kinds = new Map();
  /** How many requests there were, of all kinds. */
  requests = 0;
  #clients = [];
  #stops = false;

  /** Starts `clients` clients that send what `next` returns to `origin`, with `pause` ms between an answer and the next
   * request. An answer with a status that is not in `good` is a failure. `then` gets each request and its answer. */
  start(name, origin, { clients = 1, pause = 10, good = [200], next, then = () => {} }) {
    if (!this.kinds.has(name)) this.kinds.set(name, new Kind(name, good));
    for (let number = 0; number < clients; number++) this.#clients.push(this.#client(name, origin, pause, next, then));
  }

  async #client(name, origin, pause, next, then) {
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    while (!this.#stops) {
      const request = next();
      const answer = await ask(origin, request, agent);
      this.requests++;
      this.kinds.get(name).count(answer);
      then(request, answer);
      await new Promise(resolve => setTimeout(resolve, answer.status === 0 ? Math.max(pause, 50) : pause));
    }
    agent.destroy();
  }

  /** Counts from zero from now on. Returns what was counted before. */
  renew() {
    const before = this.kinds;
    this.kinds = new Map([...before].map(([name, kind]) => [name, new Kind(name, kind.good)]));
    return before;
  }

  /** Waits until the last answers are there. */
  async stop() {
    this.#stops = true;
    await Promise.all(this.#clients);
  }
}

/** Checks that no request failed. */
export function checkAll(world, kinds, what) {
  for (const kind of kinds.values()) {
    world.say(`${what}: ${kind}`);
    world.check(`${what}: ${kind.name}`, kind.failures.length ? `${kind.failures.length} of ${kind.requests} failed:\n  ${kind.failures.slice(0, 5).join('\n  ')}` : '');
    world.check(`${what}: ${kind.name}: requests`, kind.requests ? '' : 'there was none');
  }
}
