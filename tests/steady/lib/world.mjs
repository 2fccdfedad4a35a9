// What the scripts share: a folder, Atlassian's key servers, the app as a process, checks that are counted.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { start } from '../../lib/process.mjs';
import { APP_ID, installation, keyServers } from '../../lib/site.mjs';

export const ROOT = path.resolve(import.meta.dirname, '../../..');
const ADDON = 'com.example.steady';
export const WEBHOOK = '/webhook';

export class World {
  #passed = 0;
  #failed = 0;
  #ends = [];

  /** Runs a script and ends the process with its result. */
  static async run(name, script) {
    const world = new World();
    world.begun = Date.now();
    world.folder = fs.mkdtempSync(path.join(os.tmpdir(), `steady-${name}-`));
    fs.chmodSync(world.folder, 0o755); // PostgreSQL runs as a user of its own
    world.journal = path.join(world.folder, 'journal');
    fs.writeFileSync(world.journal, '');
    fs.writeFileSync(path.join(world.folder, 'atlassian-connect.json'), JSON.stringify({
      key: ADDON, name: 'Steady', baseUrl: '{{localBaseUrl}}', authentication: { type: 'jwt' }, apiVersion: 1,
      vendor: { name: 'Steady', url: 'https://example.com' }, scopes: ['READ', 'ACT_AS_USER'],
      lifecycle: { installed: '/installed', uninstalled: '/uninstalled' }, apiMigrations: { 'signed-install': true, 'context-qsh': true },
      // the app keeps the bodies of some events in memory, but not of this one
      modules: { webhooks: [{ event: 'comment_created', url: WEBHOOK }] }
    }));
    world.keys = await keyServers();
    world.atEnd(() => world.keys.stop());
    try {
      await script(world);
    } catch (error) {
      world.check('the run', `${error.stack}\n${world.logs()}`);
    }
    for (const end of world.#ends.reverse()) await Promise.resolve().then(end).catch(error => world.check('the end', error.stack));
    fs.rmSync(world.folder, { recursive: true, force: true });
    console.log(`${world.#passed} passed, ${world.#failed} failed`);
    process.exit(world.#failed ? 1 : 0);
  }

  check(name, problem) {
    if (problem) {
      this.#failed++;
      console.log(`FAIL ${name}: ${problem}`);
    } else this.#passed++;
  }

  say(text) {
    console.log(`${((Date.now() - this.begun) / 1000).toFixed(1).padStart(6)} s  ${text}`);
  }

  /** Runs `work` at the end of the script; the last one comes first. */
  atEnd(work) {
    this.#ends.push(work);
  }

  /** Starts the app. `base` is where clients reach it, `local` where it listens. */
  async app(binary, { port, base = `http://127.0.0.1:${port}`, database, name = 'app', env = {} }) {
    const local = `http://127.0.0.1:${port}`;
    const settings = {
      NODE_ENV: 'production', PORT: String(port), AC_BIND: '127.0.0.1', AC_LOCAL_BASE_URL: base, AC_HOST_WHITELIST: '127.0.0.1',
      CONNECT_KEYS_CDN_URL: this.keys.url, AC_FORGE_JWKS_URL: `${this.keys.url}/jwks.json`, AC_APP_ID: APP_ID,
      DATABASE_URL: database, AC_AUTO_MIGRATE: 'true', RUST_LOG: 'warn', JOURNAL: this.journal, ...env
    };
    const log = path.join(this.folder, `${name}.log`);
    const app = await start(path.resolve(binary), [], { cwd: this.folder, env: settings, url: `${local}/readyz`, log });
    const server = { ...app, local, log };
    this.atEnd(() => server.kill());
    return server;
  }

  /** The last lines of every log. */
  logs() {
    const files = fs.readdirSync(this.folder).filter(file => file.endsWith('.log'));
    return files.map(file => `${file}:\n${fs.readFileSync(path.join(this.folder, file), 'utf8').slice(-3000)}`).join('\n');
  }

  /** How often the app was told each event, by the event's id. */
  told() {
    const told = new Map();
    for (const line of fs.readFileSync(this.journal, 'utf8').split('\n').filter(Boolean)) {
      const { id } = JSON.parse(line);
      told.set(id, (told.get(id) ?? 0) + 1);
    }
    return told;
  }

  /** A site that has not installed the app yet. */
  tenant(number, baseUrl = 'http://127.0.0.1:1') {
    return { ...installation(number, ADDON), baseUrl, displayUrl: baseUrl };
  }
}

/** The value below which this share of the numbers is; 0 if there is none. */
export function quantile(numbers, share) {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}
