// Starts examples/conformance with traffic and a real Prometheus that scrapes it. Then it runs every query of
// deploy/grafana.json and deploy/alerts.yml, and looks for every metric of docs/monitoring.md.
//
//     node run.mjs path/to/conformance
import { spawn, spawnSync } from 'node:child_process';
import crypto from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { freePort, listen } from '../lib/servers.mjs';
import { hs256, now, qsh, rs256 } from '../lib/tokens.mjs';
import { until } from '../lib/until.mjs';

const ROOT = path.resolve(import.meta.dirname, '../..');
const ADDON = 'monitored-addon';
const APP_ID = '11111111-1111-4111-8111-111111111111';
const TOKEN = crypto.randomBytes(16).toString('hex');
const KID = 'a-key';
// what only happens when something fails; its queries must be valid, but may have no result
const RARE = new Set(['connect_store_errors_total']);

let passed = 0;
let failed = 0;
function check(name, problem) {
  if (!problem) return void passed++;
  failed++;
  console.log(`FAIL ${name}: ${problem}`);
}

const key = crypto.generateKeyPairSync('rsa', { modulusLength: 2048 });

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'monitoring-'));
const children = [];
function start(command, options, env) {
  const child = spawn(command, options, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } });
  child.log = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', data => { child.log = (child.log + data).slice(-20000); });
  child.on('error', error => { child.log += String(error); });
  children.push(child);
  return child;
}

/** One round of everything that the app counts. */
async function traffic(base, tenant, round) {
  const claims = (method, url) => ({ iss: tenant.clientKey, sub: 'mia', iat: now(), exp: now() + 180, qsh: qsh(method, url) });
  const send = async (name, expected, url, options) => {
    const answer = await fetch(base + url, options);
    await answer.text();
    if (answer.status !== expected) throw new Error(`${name} was answered with ${answer.status}, not ${expected}`);
    return answer;
  };
  const json = { 'content-type': 'application/json' };
  const page = await send('a page', 200, `/hello-world?jwt=${hs256(claims('GET', '/hello-world'), tenant.secret)}`);
  await send('a page without a token', 401, '/hello-world');
  await send('an unknown path', 404, `/unknown-${round}`);
  const session = { ...json, authorization: `JWT ${page.headers.get('x-acpt')}` };
  const call = JSON.stringify({ as: 'app', method: 'GET', url: '/rest/x' });
  await send('a call to the host', 200, '/api/host', { method: 'POST', headers: session, body: call });
  const webhook = { ...json, authorization: `JWT ${hs256(claims('POST', '/webhook'), tenant.secret)}` };
  await send('a webhook', 204, '/webhook', { method: 'POST', headers: webhook, body: JSON.stringify({ round }) });
  const installation = 'ari:cloud:ecosystem::installation/1';
  const app = {
    id: `ari:cloud:ecosystem::app/${APP_ID}`, installationId: installation, appVersion: '1.0.0',
    apiBaseUrl: 'https://api.atlassian.com/ex/jira/cloud-1',
    environment: { type: 'PRODUCTION', id: 'ari:cloud:ecosystem::environment/e' },
    module: { type: 'core:endpoint', key: 'endpoint' }
  };
  const invocation = { iss: 'forge/invocation-token', jti: `event-${round}`, aud: app.id, iat: now(), nbf: now(), exp: now() + 60, app };
  const body = JSON.stringify({ eventType: 'field:fine', round });
  await send('an event', 204, '/forge/events', { method: 'POST', headers: { ...json, authorization: `Bearer ${rs256(invocation, KID, key.privateKey)}` }, body });
}

async function install(base, tenant) {
  const claims = { iss: tenant.clientKey, aud: [base], iat: now(), exp: now() + 180, qsh: qsh('POST', '/installed') };
  const token = rs256(claims, KID, key.privateKey);
  const body = {
    key: ADDON, clientKey: tenant.clientKey, sharedSecret: tenant.secret, baseUrl: tenant.baseUrl, productType: 'jira',
    eventType: 'installed'
  };
  const headers = { authorization: `JWT ${token}`, 'content-type': 'application/json' };
  const answer = await fetch(`${base}/installed`, { method: 'POST', headers, body: JSON.stringify(body) });
  if (answer.status !== 204) throw new Error(`the install was answered with ${answer.status}`);
}

/** The names of the metrics in a query. */
const families = query => [...new Set(query.match(/\bconnect_[a-z_]+/g) ?? [])].map(name => name.replace(/_(bucket|sum|count)$/, ''));

function queries() {
  const dashboard = JSON.parse(fs.readFileSync(path.join(ROOT, 'deploy/grafana.json')));
  const panels = dashboard.panels.flatMap(panel => (panel.targets ?? []).map(target => ({
    name: `panel "${panel.title}" ${target.refId}`, query: target.expr.replaceAll('$__rate_interval', '15s').replaceAll('$job', 'addon'),
    mustHaveSeries: true
  })));
  return panels;
}

const [binary] = process.argv.slice(2);
if (!binary) {
  console.error('usage: node run.mjs path/to/conformance');
  process.exit(2);
}
const servers = [];
try {
  const rules = spawnSync('promtool', ['check', 'rules', path.join(ROOT, 'deploy/alerts.yml')], { encoding: 'utf8' });
  check('promtool check rules', rules.status === 0 ? '' : rules.error ?? rules.stdout + rules.stderr);

  let asked = 0;
  const site = await listen((request, response) => {
    // each third request is asked to come again
    const status = request.url.startsWith('/rest/x') && asked++ % 3 === 0 ? 429 : 200;
    response.writeHead(status, { 'content-type': 'application/json', 'retry-after': '0' }).end('{}');
  });
  const keys = await listen((request, response) => {
    if (request.url === '/jwks') {
      const jwk = { ...key.publicKey.export({ format: 'jwk' }), kid: KID, alg: 'RS256', use: 'sig' };
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ keys: [jwk] }));
    } else response.writeHead(200).end(key.publicKey.export({ type: 'spki', format: 'pem' }));
  });
  servers.push(site.server, keys.server);

  fs.writeFileSync(path.join(folder, 'atlassian-connect.json'), JSON.stringify({
    key: ADDON, name: 'Monitored', baseUrl: '{{localBaseUrl}}', authentication: { type: 'jwt' }, apiVersion: 1,
    vendor: { name: 'Monitored', url: 'https://example.com' }, scopes: ['READ'],
    lifecycle: { installed: '/installed', uninstalled: '/uninstalled' }, apiMigrations: { 'signed-install': true },
    modules: { webhooks: [{ event: 'jira:issue_created', url: '/webhook' }] }
  }));
  const port = await freePort();
  const base = `http://127.0.0.1:${port}`;
  const addon = start(path.resolve(binary), [], {
    NODE_ENV: 'production', APP_ENV: '', PORT: String(port), AC_LOCAL_BASE_URL: base, AC_HOST_WHITELIST: '127.0.0.1',
    CONNECT_KEYS_CDN_URL: `${keys.origin}/keys`, AC_FORGE_JWKS_URL: `${keys.origin}/jwks`, AC_APP_ID: APP_ID,
    DATABASE_URL: `sqlite:${folder}/addon.db`, AC_AUTO_MIGRATE: 'true', AC_METRICS_TOKEN: TOKEN, RUST_LOG: 'warn'
  });
  await until(`the app is ready\n${addon.log}`, 20, async () => (await fetch(`${base}/readyz`)).ok);
  const tenant = { clientKey: 'jira-client-key', secret: crypto.randomBytes(32).toString('hex'), baseUrl: site.origin };
  await install(base, tenant);
  await traffic(base, tenant, 0);

  const own = await freePort();
  const api = `http://127.0.0.1:${own}/api/v1`;
  fs.writeFileSync(path.join(folder, 'token'), TOKEN);
  fs.writeFileSync(path.join(folder, 'prometheus.yml'), JSON.stringify({
    global: { scrape_interval: '1s', evaluation_interval: '1s' },
    rule_files: [path.join(ROOT, 'deploy/alerts.yml')],
    scrape_configs: [{
      job_name: 'addon', metrics_path: '/metrics', authorization: { credentials_file: path.join(folder, 'token') },
      static_configs: [{ targets: [`127.0.0.1:${port}`] }]
    }]
  }));
  const prometheus = start('prometheus', [
    '--config.file=prometheus.yml', '--storage.tsdb.path=data', `--web.listen-address=127.0.0.1:${own}`, '--log.level=warn'
  ]);
  const query = async text => {
    const answer = await (await fetch(`${api}/query`, { method: 'POST', body: new URLSearchParams({ query: text }) })).json();
    if (answer.status !== 'success') throw new Error(answer.error);
    return answer.data.result;
  };
  let round = 1;
  const counted = await until(`Prometheus scrapes the app\n${prometheus.log}`, 60, async () => {
    await traffic(base, tenant, round++);
    return (await query('connect_job_runs_total')).length > 0 && (await query('count_over_time(connect_connections[10s])')).some(({ value }) => Number(value[1]) >= 5);
  }).catch(error => check('traffic and scrapes', `${error.message}\n${addon.log}\n${prometheus.log}`));
  for (const last = round + 5; counted && round < last; round++) {
    await traffic(base, tenant, round);
    await new Promise(resolve => setTimeout(resolve, 1000));
  }

  for (const { name, query: text } of queries()) {
    const found = await query(text).then(result => ({ result }), error => ({ error }));
    const isRare = families(text).some(family => RARE.has(family));
    check(name, found.error?.message ?? (found.result.length || isRare ? '' : `no series for ${text}`));
  }
  const groups = (await (await fetch(`${api}/rules`)).json()).data.groups;
  const alerts = groups.flatMap(group => group.rules);
  check('the alerts are loaded', alerts.length > 0 ? '' : 'there is none');
  for (const alert of alerts) {
    check(`alert ${alert.name}`, alert.health === 'ok' ? '' : `${alert.health}: ${alert.lastError}`);
    const wanted = families(alert.query);
    check(`metrics of ${alert.name}`, wanted.length > 0 ? '' : `none in ${alert.query}`);
    for (const family of wanted.filter(family => !RARE.has(family))) {
      const series = await query(`{__name__=~"${family}(_bucket)?"}`);
      check(`${family} of ${alert.name}`, series.length > 0 ? '' : 'no series');
    }
  }
  const documented = fs.readFileSync(path.join(ROOT, 'docs/monitoring.md'), 'utf8').match(/(?<=^\| `)connect_[a-z_]+/gm);
  for (const family of documented.filter(family => !RARE.has(family))) {
    const series = await query(`{__name__=~"${family}(_bucket)?", job="addon"}`);
    check(family, series.length > 0 ? '' : 'it is documented, and Prometheus has no series of it');
  }
} catch (error) {
  check('the run', `${error.stack}\n${children.map(child => child.log).join('\n')}`);
} finally {
  await Promise.all(children.map(child => new Promise(resolve => {
    if (child.exitCode !== null || child.pid === undefined) return resolve();
    child.once('exit', resolve).kill();
  })));
  fs.rmSync(folder, { recursive: true });
  for (const server of servers) {
    server.close();
    server.closeAllConnections();
  }
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed ? 1 : 0;
