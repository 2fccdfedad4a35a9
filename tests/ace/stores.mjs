// ACE and this add-on use one database, first in turns, then at the same time: each must read what the other writes.
//
//     npm ci && node stores.mjs path/to/target/debug
//
// The starter and the example `settings` must be built with the features mysql, redis and mongodb. The servers are
// those of .ci/servers, through the variables that it prints. A missing one is a failure.
//
// ACE's Redis adapter does not work with the redis 4 that ACE requires (it never connects), so package.json gives it
// redis 3. MongoDB is the emulator of .ci/servers.
import { spawn, spawnSync } from 'node:child_process';
import crypto from 'node:crypto';
import fs from 'node:fs';
import http from 'node:http';
import { createRequire } from 'node:module';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';

const here = import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname);
const jwt = createRequire(import.meta.url)('atlassian-jwt');
const target = path.resolve(process.argv[2]);
const binary = path.join(target, 'atlassian-connect-actix');
const APP_ID = '6f0e5a4c-7d6b-4f1e-9a37-0c2f4f1b7a11';
const KID = 'key-1';
const now = () => Math.floor(Date.now() / 1000);
const unique = crypto.randomBytes(4).toString('hex');
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'ace-'));

/** `create` creates an empty database for this run and returns its URL. */
const sequelize = (dialect, url) => ({ adapter: 'sequelize', dialect, url, logging: false });
const backends = [
  { name: 'SQLite', ace: url => ({ ...sequelize('sqlite'), storage: url.slice('sqlite:'.length) }), create: () => `sqlite:${folder}/addon.db` },
  { name: 'PostgreSQL', ace: url => sequelize('postgres', url), create: () => inServer('TEST_POSTGRES_URL', postgres) },
  { name: 'MariaDB', ace: url => sequelize('mysql', url), create: () => inServer('TEST_MYSQL_URL', mariadb) },
  { name: 'Redis', ace: url => ({ adapter: 'redis', url }), create: () => emptied(numbered('TEST_REDIS_URL', 4095)) },
  { name: 'MongoDB', ace: url => ({ adapter: 'mongodb', url }), create: () => numbered('TEST_MONGODB_URL', `ace_${unique}`) }
];

function variable(name) {
  if (!process.env[name]) throw new Error(`${name} is not set`);
  return process.env[name];
}
function numbered(name, database) {
  const url = new URL(variable(name));
  url.pathname = `/${database}`;
  return url.href;
}
async function inServer(name, query) {
  await query(variable(name), `CREATE DATABASE ace_${unique}`);
  return numbered(name, `ace_${unique}`);
}
/** Redis numbers its databases. The framework's own tests count up from 0, so the last one is nobody else's. */
async function emptied(url) {
  const { default: redis } = await import('redis');
  const client = redis.createClient({ url });
  await promisify(client.flushdb).call(client);
  await promisify(client.quit).call(client);
  return url;
}
async function postgres(connectionString, sql) {
  const { default: pg } = await import('pg');
  const client = new pg.Client({ connectionString });
  await client.connect();
  await client.query(sql);
  await client.end();
}
async function mariadb(uri, sql) {
  const { createConnection } = await import('mysql2/promise');
  const connection = await createConnection({ uri });
  await connection.query(sql);
  await connection.end();
}

let passed = 0;
const failures = [];
let backend = '';
function check(name, found, expected) {
  if (JSON.stringify(found) === JSON.stringify(expected)) return void passed++;
  failures.push(name);
  console.log(`FAIL ${backend}: ${name}: expected ${JSON.stringify(expected)}, got ${JSON.stringify(found)}`);
}

// Atlassian's side: the install key, Forge's keys, tokens
const key = crypto.generateKeyPairSync('rsa', { modulusLength: 2048 });
const services = http.createServer((request, response) => {
  if (request.url === `/keys/${KID}`) return response.end(key.publicKey.export({ type: 'spki', format: 'pem' }));
  if (request.url === '/jwks.json') {
    return response.end(JSON.stringify({ keys: [{ ...key.publicKey.export({ format: 'jwk' }), kid: KID, use: 'sig', alg: 'RS256' }] }));
  }
  response.writeHead(404).end();
});
await new Promise(resolve => services.listen(0, '127.0.0.1', resolve));
const origin = `http://127.0.0.1:${services.address().port}`;
const rs256 = claims => {
  const part = json => Buffer.from(JSON.stringify(json)).toString('base64url');
  const message = `${part({ alg: 'RS256', typ: 'JWT', kid: KID })}.${part(claims)}`;
  return `${message}.${crypto.sign('RSA-SHA256', Buffer.from(message), key.privateKey).toString('base64url')}`;
};
const qsh = (method, url) => jwt.createQueryStringHash(jwt.fromMethodAndUrl(method, url), false);

const ADDON = 'ace-and-actix';
const tenant = (clientKey, more = {}) => ({
  key: ADDON, clientKey, sharedSecret: crypto.randomBytes(32).toString('hex'), baseUrl: `https://${unique}.atlassian.net`,
  productType: 'jira', description: 'Zoë ☃ 日本 😀', eventType: 'installed', ...more
});
async function lifecycle(addon, name, { sharedSecret, ...payload }) {
  const claims = { iss: payload.clientKey, aud: [addon.base], iat: now(), exp: now() + 180, qsh: qsh('POST', `/${name}`) };
  const body = name === 'installed' ? { ...payload, sharedSecret } : { ...payload, eventType: name };
  const headers = { authorization: `JWT ${rs256(claims)}`, 'content-type': 'application/json' };
  return (await fetch(`${addon.base}/${name}`, { method: 'POST', headers, body: JSON.stringify(body) })).status;
}
async function page(addon, { clientKey, sharedSecret }) {
  const claims = { iss: clientKey, iat: now(), exp: now() + 180, qsh: qsh('GET', '/hello-world') };
  return (await fetch(`${addon.base}/hello-world?jwt=${jwt.encodeSymmetric(claims, sharedSecret)}`)).status;
}
async function settings(addon, call, body = {}) {
  const response = await fetch(`${addon.base}/settings/${call}`, {
    method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body)
  });
  return response.ok ? (await response.json()).value : `status ${response.status}`;
}
async function invoke(addon, installationId, appToken) {
  const app = { installationId, apiBaseUrl: 'https://api.atlassian.com/ex/jira/c' };
  const claims = { iss: 'forge/invocation-token', aud: `ari:cloud:ecosystem::app/${APP_ID}`, iat: now(), exp: now() + 25, app };
  const headers = { authorization: `Bearer ${rs256(claims)}`, 'x-forge-oauth-system': appToken, 'content-type': 'application/json' };
  return (await fetch(`${addon.base}/forge/resource`, { method: 'POST', headers, body: '{}' })).json();
}

// the two add-ons
const running = new Set();
async function start(command, args, cwd, vars) {
  const port = await new Promise(resolve => {
    const probe = net.createServer().listen(0, '127.0.0.1', () => {
      const chosen = probe.address().port;
      probe.close(() => resolve(chosen));
    });
  });
  const base = `http://127.0.0.1:${port}`;
  const env = {
    PATH: process.env.PATH, NODE_ENV: 'production', PORT: String(port), BASE: base, AC_LOCAL_BASE_URL: base, AC_OPTS: 'no-reg',
    CONNECT_KEYS_CDN_URL: `${origin}/keys`, ...vars
  };
  const child = spawn(command, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
  running.add(child);
  let log = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', data => { log += data; });
  const ended = new Promise(resolve => child.on('exit', resolve));
  const until = Date.now() + 60000;
  while (!(await fetch(`${base}/healthz`).catch(() => undefined))?.ok) {
    if (child.exitCode !== null || Date.now() > until) throw new Error(`${command} did not start:\n${log.slice(-3000)}`);
    await new Promise(resolve => setTimeout(resolve, 50));
  }
  const stop = async () => {
    child.kill();
    await ended;
    running.delete(child);
  };
  return { base, stop };
}
const descriptor = {
  key: ADDON, name: 'ACE and Actix', baseUrl: '{{localBaseUrl}}', authentication: { type: 'jwt' }, apiVersion: 1, scopes: ['READ'],
  vendor: { name: 'Test', url: 'https://example.com' }, apiMigrations: { 'signed-install': true },
  lifecycle: { installed: '/installed', uninstalled: '/uninstalled' }
};

async function story({ ace: store, create }) {
  const url = await create();
  const cwd = fs.mkdtempSync(path.join(folder, 'run-'));
  fs.writeFileSync(path.join(cwd, 'atlassian-connect.json'), JSON.stringify(descriptor));
  // what ACE's `addon.settings` looks at first
  const ace = () => start(process.execPath, [path.join(here, 'add-on.cjs')], cwd, { STORE: JSON.stringify(store(url)) });
  const ours = { DATABASE_URL: url, AC_APP_ID: APP_ID, AC_FORGE_JWKS_URL: `${origin}/jwks.json` };
  // the starter has its own table, which needs an SQL database
  if (/^(redis|mongodb):/.test(url)) ours.AC_DATABASE_URL = `sqlite:${cwd}/app.db`;
  const actix = () => start(binary, [], cwd, ours);
  const command = (...args) => run(binary, ...args);
  const run = (program, ...args) => spawnSync(program, args, { cwd, encoding: 'utf8', env: { PATH: process.env.PATH, NODE_ENV: 'production', AC_LOCAL_BASE_URL: origin, ...ours } });

  const id = `ari:cloud:ecosystem::installation/${crypto.randomUUID()}`;
  const [a, b, c, d] = [tenant(`jira:${unique}-a`, { installationId: id }), tenant(`${unique}-b`), tenant(`${unique}-c`), tenant(`${unique}-d`)];
  const value = { theme: 'dark', number: 1.5, 'ü': ['☃', null, { deep: true }] };

  let addon = await ace();
  for (const one of [a, b, c]) check(`ACE installs ${one.clientKey}`, await lifecycle(addon, 'installed', one), 204);
  await settings(addon, 'set', { key: 'user:42', clientKey: a.clientKey, value });
  await settings(addon, 'setForge', { id, key: 'note', value: { of: 'ACE' } });
  await addon.stop();

  const listed = command('tenants', 'list');
  check('tenants list shows the tenants of ACE', [a, b, c].every(one => listed.stdout.includes(one.clientKey)), true);
  if (url.startsWith('sqlite') || url.startsWith('postgres') || url.startsWith('mysql')) {
    const said = command('doctor').stdout;
    check('doctor recognizes ACE\'s database', said.includes('atlassian-connect-express created these tables'), true);
  }
  addon = await actix();
  for (const one of [a, b, c]) check(`ACE\'s installation opens here: ${one.clientKey}`, await page(addon, one), 200);
  check('another secret is refused', await page(addon, { ...a, sharedSecret: 'x'.repeat(64) }), 401);
  check('ACE\'s association', (await invoke(addon, id, 'opaque-app-token')).connect?.clientKey, a.clientKey);
  const old = { ...b };
  b.sharedSecret = crypto.randomBytes(32).toString('hex');
  check('a re-install', await lifecycle(addon, 'installed', b), 204);
  check('a new install', await lifecycle(addon, 'installed', d), 204);
  check('an uninstall', await lifecycle(addon, 'uninstalled', c), 204);
  await addon.stop();
  const settle = (...args) => run(path.join(target, 'examples', 'settings'), ...args);
  check('ACE\'s value is read here', JSON.parse(settle('get', a.clientKey, 'user:42').stdout || 'null'), value);
  const own = { ...value, of: 'ours', list: [1, -2.5, '\u2028', false] };
  check('a value is written here', settle('set', b.clientKey, 'project:7', JSON.stringify(own)).status, 0);

  addon = await ace();
  const opened = async () => [await page(addon, a), await page(addon, b), await page(addon, old), await page(addon, c), await page(addon, d)];
  check('ACE accepts the current secrets of installed tenants (and answers 400 to others)', await opened(), [200, 200, 400, 401, 200]);
  check('ACE reads all installations', (await settings(addon, 'all')).filter(Boolean).sort(), [a, b, d].map(one => one.clientKey).sort());
  const info = await settings(addon, 'get', { key: 'clientInfo', clientKey: d.clientKey });
  check('ACE reads an installation stored here', info?.description, d.description);
  check('ACE\'s own value is unchanged', await settings(addon, 'get', { key: 'user:42', clientKey: a.clientKey }), value);
  check('ACE reads a value written here', await settings(addon, 'get', { key: 'project:7', clientKey: b.clientKey }), own);
  check('a Forge value is unchanged', await settings(addon, 'getForge', { id, key: 'note' }), { of: 'ACE' });
  check('ACE reads the app token stored here', (await settings(addon, 'appToken', { id }))?.appToken, 'opaque-app-token');
  check('ACE reads the association', await settings(addon, 'ofInstallation', { id }), a.clientKey);

  // the app's own tables are added to ACE's database, and existing data stays
  const rows = (await settings(addon, 'all')).filter(Boolean).length;
  const migrated = command('migrate');
  check('migrate creates the notes table', [migrated.status, /create_notes/.test(migrated.stdout)], [0, !ours.AC_DATABASE_URL]);
  check('and ACE finds all its rows', (await settings(addon, 'all')).filter(Boolean).length, rows);

  // both at the same time, as in a migration without downtime
  const beside = await actix();
  check('the app is ready', (await fetch(`${beside.base}/readyz`)).status, 200);
  check('a cached tenant', await page(beside, a), 200);
  a.sharedSecret = crypto.randomBytes(32).toString('hex');
  check('ACE installs at the same time', await lifecycle(addon, 'installed', a), 204);
  check('and its new secret is valid here immediately', await page(beside, a), 200);
  const former = { ...d };
  d.sharedSecret = crypto.randomBytes(32).toString('hex');
  check('an install here at the same time', await lifecycle(beside, 'installed', d), 204);
  check('and its new secret is valid there immediately, the old one is not', [await page(addon, d), await page(addon, former)], [200, 400]);
  check('a reinstalled tenant', [await lifecycle(beside, 'installed', c), await page(addon, c)], [204, 200]);
  await Promise.all([addon.stop(), beside.stop()]);
}

const only = process.argv[3];
try {
  for (const one of backends.filter(({ name }) => !only || name === only)) {
    backend = one.name;
    const before = [passed, failures.length];
    await story(one).catch(error => check('the whole story', error.message, 'no error'));
    console.log(`${one.name}: ${passed - before[0]} passed, ${failures.length - before[1]} failed`);
  }
} finally {
  for (const child of running) child.kill('SIGKILL');
  services.close();
  fs.rmSync(folder, { recursive: true, force: true });
}
console.log(`${passed} passed, ${failures.length} failed`);
process.exit(failures.length === 0 && passed > 0 ? 0 : 1);
