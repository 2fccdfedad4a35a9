// Measures the app on this framework beside the same answers by bare actix-web and by atlassian-connect-express: each
// round asks all of them in turn, on the same cores as the load generator. Writes its table into README.md.
//
// README.md says how to run it.
import { execFileSync, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { start } from '../tests/lib/process.mjs';
import { freePort } from '../tests/lib/servers.mjs';
import { APP_ID, SHELL, install, installation, invocation, keyServers, page, session, webhook } from '../tests/lib/site.mjs';
import { load, prepare } from './lib/wrk.mjs';

const { values: options } = parseArgs({ options: {
  rounds: { type: 'string', default: '5' }, seconds: { type: 'string', default: '3' }, connections: { type: 'string', default: '32' },
  only: { type: 'string', default: '' }, tenants: { type: 'string', default: '100000' }, write: { type: 'boolean', default: false },
  bin: { type: 'string', default: 'target/release' }
} });
const [rounds, seconds, connections, MANY] = ['rounds', 'seconds', 'connections', 'tenants'].map(name => Number(options[name]));
const here = path.dirname(fileURLToPath(import.meta.url));
const root = path.dirname(here);
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'bench-'));
const bin = name => path.resolve(root, options.bin, name);
const KEY = 'com.example.hello-from-rust';
/** How many tenants send the requests of a scenario with many. */
const SENDERS = 20_000;

const keys = await keyServers();

async function app(name, command, args, cwd, env) {
  const port = await freePort();
  const base = `http://127.0.0.1:${port}`;
  const database = path.join(folder, `${name}.db`);
  const all = { PORT: String(port), NODE_ENV: 'production', RUST_LOG: 'warn', ...env({ base, database }) };
  const server = await start(command, args, { cwd, env: all, url: `${base}/healthz`, log: path.join(folder, `${name}.log`) });
  return { name, base, database, ...server };
}

const framework = ({ base, database }) => ({
  AC_LOCAL_BASE_URL: base, DATABASE_URL: `sqlite://${database}`, CONNECT_KEYS_CDN_URL: keys.url, AC_APP_ID: APP_ID,
  AC_FORGE_JWKS_URL: `${keys.url}/jwks.json`, AC_ALLOWED_BASE_URLS: base, AC_AUTO_MIGRATE: 'true'
});
const starter = await app('starter', bin('atlassian-connect-actix'), [], root, framework);
const example = await app('example', bin('examples/conformance'), [], root, framework);
// ACE reads the descriptor of the folder in which it starts
fs.copyFileSync(path.join(root, 'atlassian-connect.json'), path.join(folder, 'atlassian-connect.json'));
const ace = fs.existsSync(path.join(here, 'ace/node_modules'))
  && await app('ACE', process.execPath, [path.join(here, 'ace/app.cjs')], folder, ({ base, database }) => ({ BASE: base, DATABASE: database, CONNECT_KEYS_CDN_URL: keys.url }));

const one = installation(1, KEY);
for (const server of [starter, example, ace].filter(Boolean)) {
  const { method, path: at, headers, body } = install(one, server.base, keys);
  const answer = await fetch(server.base + at, { method, headers, body });
  if (answer.status !== 204) throw new Error(`${server.name} answers an install with ${answer.status}: ${await answer.text()}`);
  const template = JSON.stringify(installation('NUMBER', KEY));
  execFileSync('python3', [path.join(here, 'fill.py'), server.database, '2', String(MANY)], { input: template });
}
const bare = await app('bare', bin('bench-bare'), [], root, () => ({
  BASE: example.base, DATABASE: example.database, ADDON_KEY: KEY, TITLE: 'Hello from Rust',
  SCRIPT_URL: 'https://connect-cdn.atl-paas.net/all.js'
}));

const range = (count, make) => Array.from({ length: count }, (_, index) => make(index + 1));
/** Some tenants are asked for more often than others, by Zipf's law. */
const senders = range(SENDERS, () => installation(1 + Math.floor(MANY ** Math.random()) % MANY, KEY));
const openBody = { moduleKey: 'hello-world-page', shell: SHELL, locale: 'en-US', timezone: 'Europe/Berlin' };
async function forgePages(server) {
  return Promise.all(range(20, async () => {
    const { method, path: at, headers, body } = invocation(1, '/forge/open', openBody, keys);
    const answer = await fetch(server.base + at, { method, headers, body });
    if (answer.status !== 200) throw new Error(`/forge/open answers with ${answer.status}: ${await answer.text()}`);
    return { path: (await answer.json()).url.slice(server.base.length) };
  }));
}

// what is asked of whom: a scenario, its servers, and the requests for one of them
const scenarios = [
  ['page', { example, bare, ACE: ace }, () => range(50, () => page(one, '/hello-world'))],
  ['page, 100,000 tenants', { example, bare, ACE: ace }, () => senders.map(tenant => page(tenant, '/hello-world'))],
  ['`/api/session`', { example, bare, ACE: ace }, () => range(50, () => session(one))],
  ['page with a Diesel read', { starter, bare }, server => range(50, () => page(one, server.name === 'bare' ? '/greeting' : '/hello-world'))],
  ['webhook', { starter, ACE: ace }, () => range(50, () => webhook(one, '/webhook/issue-created'))],
  ['install', { starter, ACE: ace }, server => range(50, number => install(installation(number, KEY), server.base, keys))],
  ['Forge invocation', { example }, () => range(50, () => invocation(1, '/forge/resource', {}, keys))],
  ['open a page on Forge', { example }, () => range(50, () => invocation(1, '/forge/open', openBody, keys))],
  ['page on Forge', { example }, server => forgePages(server)]
].filter(([name]) => name.includes(options.only));

/** An answer without what differs each time: tokens and ids. */
async function plain(server, { path: at, headers }) {
  const answer = await fetch(server.base + at, { headers });
  const text = `${answer.status} ${JSON.stringify([...answer.headers].sort())}\n${await answer.text()}`;
  return text.replace(/eyJ[\w.-]+/g, 'TOKEN').replace(/"(date|x-request-id)","[^"]*"/g, '"$1",""');
}
for (const [name, at] of [['/hello-world', '/hello-world'], ['/api/session', null]]) {
  const request = at ? page(one, at) : session(one);
  const [ours, others] = [await plain(example, request), await plain(bare, request)];
  if (ours !== others) throw new Error(`${name} is not the same:\n${ours}\n\n${others}`);
}
const greeting = async (server, at) => (await plain(server, page(one, at))).split('\n').slice(1).join('\n').replaceAll(server.base, 'BASE');
if (await greeting(starter, '/hello-world') !== (await greeting(bare, '/greeting')).replaceAll(example.base, 'BASE')) throw new Error('the page with a Diesel read is not the same');

const median = (list, pick) => list.map(pick).sort((a, b) => a - b)[Math.floor(list.length / 2)];
const rows = [];
for (const [name, servers, requests] of scenarios) {
  const present = Object.values(servers).filter(Boolean);
  const results = new Map(present.map(server => [server, []]));
  for (let round = 0; round <= rounds; round++) {
    for (const server of present) {
      // page tokens are valid for two minutes only
      if (round === 0 || name === 'page on Forge') server.requests = prepare(folder, server.name, await requests(server));
      const before = server.cpu();
      const result = await load(server.base, server.requests, { connections, seconds: round === 0 ? 1 : seconds });
      // the first round warms up
      if (round > 0) results.get(server).push({ ...result, cpu: (server.cpu() - before) / result.requests * 1e6 });
    }
  }
  const ratio = servers.bare && median(results.get(present[0]).map((result, i) => result.cpu / results.get(bare)[i].cpu), value => value);
  for (const server of present) {
    const list = results.get(server);
    const errors = list.reduce((sum, result) => sum + result.errors, 0);
    const figures = ['perSecond', 'cpu', 'p50', 'p99', 'p999'].map(figure => median(list, result => result[figure]));
    rows.push({ name, server: server.name, figures, memory: server.memory(), errors, ratio: server === present[0] ? ratio : undefined });
    console.log(name, server.name, figures.map(figure => figure.toFixed(2)).join(' '), `${server.memory().toFixed(0)} MiB, ${errors} errors`,
      server === present[0] && ratio ? `CPU to bare ${ratio.toFixed(2)}` : '');
  }
}

const cells = row => [
  row.name, row.server, row.figures[0].toFixed(0), row.figures[1].toFixed(row.figures[1] < 100 ? 1 : 0),
  ...row.figures.slice(2).map(value => value.toFixed(value < 10 ? 2 : 0)), row.memory.toFixed(0), row.errors, row.ratio?.toFixed(2) ?? ''
];
const table = [
  '| scenario | app | requests/s | CPU µs a request | p50 ms | p99 ms | p99.9 ms | RSS MiB | errors | CPU, to bare |',
  '|---|---|---|---|---|---|---|---|---|---|', ...rows.map(row => `| ${cells(row).join(' | ')} |`)
].join('\n');
const starts = [starter, example, bare, ace].filter(Boolean).map(server => `${server.name} ${server.started.toFixed(0)} ms`).join(', ');
const revision = spawnSync('git', ['rev-parse', '--short', 'HEAD'], { cwd: root, encoding: 'utf8' }).stdout.trim();
const text = `${os.cpus()[0].model}, ${os.cpus().length} cores; ${rounds} rounds of ${seconds} s, ${connections} connections; ${new Date().toISOString().slice(0, 10)}, ${revision}.\n\n${table}\n\nStart to first answer: ${starts}.`;
console.log(`\n${text}`);
if (options.write) {
  const readme = path.join(here, 'README.md');
  fs.writeFileSync(readme, fs.readFileSync(readme, 'utf8').replace(/(<!-- table -->\n)[^]*(<!-- end -->)/, (_, begin, end) => `${begin}\n${text}\n\n${end}`));
}
for (const server of [starter, example, bare, ace].filter(Boolean)) await server.stop();
keys.stop();
fs.rmSync(folder, { recursive: true });
