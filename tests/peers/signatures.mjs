// Acts as Atlassian's key server and two sites (Jira, and Confluence below /wiki), lets examples/conformance install
// there and makes it send requests. Each request's token is verified by atlassian-jwt and by jose, not by the
// framework.
//
//     npm ci && node signatures.mjs path/to/conformance
import { spawn } from 'node:child_process';
import crypto from 'node:crypto';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { jwtVerify } from 'jose';
import { freePort, listen } from '../lib/servers.mjs';

const atlassian = createRequire(import.meta.url)('atlassian-jwt');
const ADDON = 'peers-addon';
const KID = 'install-key';
const now = () => Math.floor(Date.now() / 1000);

// method, URL relative to the base URL (or absolute: {base}, {origin}), and other members of POST /api/host
const jql = 'project = "A & B" AND summary ~ "x, y; 100%" AND text ~ "it\'s" ORDER BY created DESC';
const shared = [
  ['GET', '/rest/api/3/myself'],
  ['POST', '/rest/api/3/issue', { json: { fields: { summary: 'a=b&c' } } }],
  ['PUT', '/rest/api/3/issue/A-1', { json: {} }],
  ['PATCH', '/rest/x', { json: [] }],
  ['DELETE', '/rest/x?a=1'],
  ['HEAD', '/rest/x?a=1&b=2'],
  ['POST', '/rest/form?a=1', { form: { a: '2', b: ['3', '4'] } }],
  ['PUT', '/rest/form', { form: { a: '2' } }],
  ['POST', '/rest/file?x=1', { multipart: { file: { value: 'content', filename: 'a b.txt' }, comment: { value: 'c' } } }],
  ['POST', '/rest/raw', { body: 'a=1&b=2', headers: { 'Content-Type': 'text/plain' } }],
  ['GET', '/'],
  ['GET', ''],
  ['GET', 'rest/relative'],
  ['GET', '{base}/rest/absolute?a=1'],
  ['GET', '{origin}/elsewhere/on/the/site?a=1'],
  ['GET', '{base}'],
  ['GET', '/trailing/'],
  ['GET', '/trailing/?a=1'],
  ['GET', '/two//slashes'],
  ['GET', '/two/trailing//'],
  ['GET', '/space in path'],
  ['GET', '/encoded%20space'],
  ['GET', '/plus+in+path'],
  ['GET', '/snowman/☃/é'],
  ['GET', '/snowman/%E2%98%83'],
  ['GET', '/emoji/😀?q=😀'],
  ['GET', '/slash%2Fencoded/x%2fy'],
  ['GET', '/percent%25encoded/100%'],
  ['GET', '/and&in&path'],
  ['GET', '/and&in&path/?and=1'],
  ['GET', '/and%26encoded'],
  ['GET', '/question%3Fmark?a=1'],
  ['GET', '/hash%23mark'],
  ['GET', '/semi;colon=1,comma'],
  ['GET', '/at@colon:equals=dollar$bang!star*'],
  ['GET', '/brackets(round)[square]'],
  ['GET', '/tilde~dash-dot.under_score'],
  ['GET', '/attachment/10001/r%C3%A9sum%C3%A9%20(final)%20%26%20more.pdf'],
  ['GET', '/rest/x?a='],
  ['GET', '/rest/x?a'],
  ['GET', '/rest/x?a&b=&c=1'],
  ['GET', '/rest/x?=x&a=1'],
  ['GET', '/rest/x?a=1&&b=2&'],
  ['GET', '/rest/x?a=b=c'],
  ['GET', '/rest/x?b=2&a=1&c=3'],
  ['GET', '/rest/x?a=2&a=1&a=10'],
  ['GET', '/rest/x?a=1&a=1'],
  ['GET', '/rest/x?a=&a=1'],
  ['GET', '/rest/x?B=1&a=2&A=3&b=4'],
  ['GET', '/rest/x?a10=1&a9=2&a1=3'],
  ['GET', '/rest/x?a=x,y&a=z'],
  ['GET', '/rest/x?a=x%2Cy'],
  ['GET', '/rest/x?q=a+b&r=a%20b&s=a%2Bb'],
  ['GET', '/rest/x?q=%c3%a9&r=%C3%A9'],
  ['GET', '/rest/x?q=é☃😀'],
  ['GET', '/rest/x?é=1'],
  ['GET', "/rest/x?q=it's!(x)*~"],
  ['GET', '/rest/x?q=a/b?c:d@e'],
  ['GET', '/rest/x?q=a;b'],
  ['GET', '/rest/x?q=a%26b%3Dc%25'],
  ['GET', '/rest/x?q=<a>"b"{c}|d\\e^f`g'],
  ['GET', '/rest/x?a[]=1&a[]=2'],
  ['GET', '/rest/x?a.b=1&a-b=2&a_b=3'],
  ['GET', '/rest/x?JWT=1&Jwt=2'],
  ['GET', '/rest/x?q=%0A%0D%00'],
  ['GET', '/rest/x?q=%25%32%35'],
  ['GET', '/rest/x#fragment'],
  ['GET', '/rest/x?a=1#fragment'],
  ['GET', '/rest/x', { query: { jql, maxResults: '50', fields: ['summary', 'status'] } }],
  ['GET', `/rest/x?jql=${encodeURIComponent(jql)}`],
  ['GET', '/rest/x?a=1', { query: { a: ['3', '2'], b: '' } }],
  ['GET', '/rest/x', { query: { 'a b&c=d': 'e f&g=h' } }],
  ['GET', '/rest/x', { query: { ü: 'ß+ß' } }],
  ['GET', '/rest/x', { query: { reserved: "!*'();:@&=+$,/?#[]", plain: '-._~' } }],
  ['GET', '/rest/x', { query: { many: Array.from({ length: 40 }, (_, i) => String(i)) } }],
  ['GET', '/rest/x', { query: Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`p${i}`, `v ${i}`])) }],
  ['GET', '/rest/x', { query: { long: 'é'.repeat(1000) } }],
  ['POST', '/rest/x?a=1&b', { query: { c: 'd e' }, json: { a: 1 } }]
];
// Where atlassian-jwt is wrong, and what the table has instead:
// - two names, one of them not ASCII (?é=1&z=2): it sorts decoded names, the hosts (Java) encoded ones; a single name
// agrees
// - base URL /wiki and the path /wikis: it strips the prefix and hashes "s"; {origin}/elsewhere is also outside and
// agrees
// - a parameter named __proto__: it omits it
// crates/atlassian-connect-actix/tests/fixtures/qsh.json and the unit tests of jwt/qsh.rs test the hosts' reading of
// these.

let passed = 0;
const failures = [];
function check(name, problem) {
  if (!problem) return void passed++;
  failures.push(name);
  console.log(`FAIL ${name}: ${problem}`);
}


/** A site. Its last requests are in `received`. */
async function site(clientKey, context) {
  const tenant = { clientKey, sharedSecret: crypto.randomBytes(32).toString('hex'), received: [] };
  const { server, origin } = await listen((request, response) => {
    request.resume().on('end', () => {
      const authorization = request.rawHeaders.filter((_, i) => i % 2 && request.rawHeaders[i - 1].toLowerCase() === 'authorization');
      tenant.received.push({ method: request.method, url: request.url, authorization });
      response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
    });
  });
  return Object.assign(tenant, { server, origin, baseUrl: origin + context });
}

/** What is wrong with the token of a received request, if anything. */
async function wrong(tenant, { method, url, authorization }) {
  if (authorization.length !== 1 || !authorization[0].startsWith('JWT ')) return `its Authorization is ${JSON.stringify(authorization)}`;
  const token = authorization[0].slice('JWT '.length);
  const request = atlassian.fromMethodAndUrl(method, url);
  const { qsh, iat, exp } = atlassian.decodeSymmetric(token, tenant.sharedSecret, 'HS256');
  if (qsh !== atlassian.createQueryStringHash(request, false, tenant.baseUrl)) {
    return `the qsh is not that of ${atlassian.createCanonicalRequest(request, false, tenant.baseUrl)}`;
  }
  if (exp - iat !== 180 || Math.abs(iat - now()) > 30) return `it is issued at ${iat} and expires at ${exp}`;
  const secret = new TextEncoder().encode(tenant.sharedSecret);
  const options = { algorithms: ['HS256'], audience: tenant.clientKey, issuer: ADDON, requiredClaims: ['iat', 'exp', 'qsh'] };
  const { payload } = await jwtVerify(token, secret, options);
  if (JSON.stringify(payload.aud) !== JSON.stringify([tenant.clientKey])) return `aud is ${JSON.stringify(payload.aud)}`;
}

const pairs = query => [...new URLSearchParams(query)].map(pair => pair.join('='));
const listed = (query = {}) => Object.entries(query).flatMap(([name, value]) => [value].flat().map(one => `${name}=${one}`));

/** Checks that the request arrived as requested: a signature of another request would prove nothing. */
function arrived(tenant, received, method, url, query) {
  if (received.method !== method) return `${received.method} arrived`;
  const absolute = url.startsWith('http') ? url : `${tenant.baseUrl}/${url.replace(/^\/+/, '')}`;
  const wanted = new URL(absolute);
  const [pathname, ...rest] = received.url.split('?');
  if (pathname !== wanted.pathname) return `the path ${pathname} arrived, not ${wanted.pathname}`;
  const expected = [...pairs(wanted.search), ...listed(query)];
  const found = pairs(rest.join('?'));
  if (JSON.stringify(found) !== JSON.stringify(expected)) return `the parameters ${found} arrived, not ${expected}`;
}

function start(binary, keyServer, port) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'peers-'));
  fs.writeFileSync(path.join(folder, 'atlassian-connect.json'), JSON.stringify({
    key: '{{appKey}}', name: 'Peers', baseUrl: '{{localBaseUrl}}', authentication: { type: 'jwt' }, apiVersion: 1,
    vendor: { name: 'Peers', url: 'https://example.com' }, scopes: ['READ', 'WRITE'],
    lifecycle: { installed: '/installed', uninstalled: '/uninstalled' }, apiMigrations: { 'signed-install': true }
  }));
  const base = `http://127.0.0.1:${port}`;
  const child = spawn(path.resolve(binary), [], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      NODE_ENV: 'production', PORT: String(port), AC_LOCAL_BASE_URL: base, AC_APP_KEY: ADDON, AC_HOST_WHITELIST: '127.0.0.1',
      CONNECT_KEYS_CDN_URL: `${keyServer.origin}/keys`, DATABASE_URL: 'memory:'
    }
  });
  let log = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', data => { log += data; });
  const stop = () => {
    child.kill();
    fs.rmSync(folder, { recursive: true });
  };
  return { base, stop, child, log: () => log };
}

async function ready(addon) {
  for (const until = Date.now() + 20000; Date.now() < until && addon.child.exitCode === null;) {
    const answer = await fetch(`${addon.base}/healthz`).catch(() => undefined);
    if (answer?.ok) return;
    await new Promise(resolve => setTimeout(resolve, 50));
  }
  throw new Error(`the add-on did not start\n${addon.log()}`);
}

async function install(addon, tenant, key) {
  const qsh = atlassian.createQueryStringHash(atlassian.fromMethodAndUrl('POST', '/installed'), false, '');
  const claims = { iss: tenant.clientKey, aud: [addon.base], iat: now(), exp: now() + 180, qsh };
  const token = atlassian.encodeAsymmetric(claims, key, 'RS256', { kid: KID });
  const body = {
    key: ADDON, clientKey: tenant.clientKey, sharedSecret: tenant.sharedSecret, baseUrl: tenant.baseUrl, productType: 'jira',
    eventType: 'installed'
  };
  const headers = { authorization: `JWT ${token}`, 'content-type': 'application/json' };
  const answer = await fetch(`${addon.base}/installed`, { method: 'POST', headers, body: JSON.stringify(body) });
  if (answer.status !== 204) throw new Error(`the install was answered with ${answer.status}\n${addon.log()}`);
}

async function session(addon, tenant) {
  const qsh = atlassian.createQueryStringHash(atlassian.fromMethodAndUrl('GET', '/hello-world'), false, '');
  const claims = { iss: tenant.clientKey, sub: 'mia', iat: now(), exp: now() + 180, qsh };
  const token = atlassian.encodeSymmetric(claims, tenant.sharedSecret, 'HS256');
  const answer = await fetch(`${addon.base}/hello-world?jwt=${token}`);
  const acpt = answer.headers.get('x-acpt');
  if (!acpt) throw new Error(`the page was answered with ${answer.status} without a session token\n${addon.log()}`);
  // the token that the add-on signs for its own page
  const secret = new TextEncoder().encode(tenant.sharedSecret);
  await jwtVerify(acpt, secret, { algorithms: ['HS256'], audience: tenant.clientKey, issuer: ADDON, requiredClaims: ['exp'] });
  return acpt;
}

async function ask(addon, token, tenant, [method, template, options = {}]) {
  const url = template.replace('{base}', tenant.baseUrl).replace('{origin}', tenant.origin);
  const headers = { authorization: `JWT ${token}`, 'content-type': 'application/json' };
  tenant.received.length = 0;
  const body = JSON.stringify({ as: 'app', method, url, ...options });
  const answer = await fetch(`${addon.base}/api/host`, { method: 'POST', headers, body });
  const text = await answer.text();
  if (answer.status !== 200) return `the add-on answered ${answer.status} ${text}`;
  if (tenant.received.length !== 1) return `${tenant.received.length} requests arrived`;
  const [received] = tenant.received;
  return arrived(tenant, received, method, url, options.query) ?? await wrong(tenant, received).catch(error => String(error));
}

const [binary] = process.argv.slice(2);
if (!binary) {
  console.error('usage: node signatures.mjs path/to/conformance');
  process.exit(2);
}
const key = crypto.generateKeyPairSync('rsa', {
  modulusLength: 2048,
  publicKeyEncoding: { type: 'spki', format: 'pem' },
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' }
});
const keyServer = await listen((request, response) => {
  const known = request.url === `/keys/${KID}`;
  response.writeHead(known ? 200 : 404).end(known ? key.publicKey : '');
});
const sites = [await site('jira-client-key', ''), await site('confluence-client-key', '/wiki')];
const addon = start(binary, keyServer, await freePort());
try {
  await ready(addon);
  for (const tenant of sites) {
    await install(addon, tenant, key.privateKey);
    const token = await session(addon, tenant);
    for (const line of shared) {
      const name = `${tenant.clientKey}: ${line[0]} ${line[1].slice(0, 80)} ${JSON.stringify(line[2] ?? {}).slice(0, 60)}`;
      check(name, await ask(addon, token, tenant, line));
    }
  }
} catch (error) {
  check('the run', error.stack);
} finally {
  addon.stop();
  for (const { server } of [keyServer, ...sites]) {
    server.close();
    server.closeAllConnections();
  }
}
console.log(`${passed} passed, ${failures.length} failed`);
process.exitCode = failures.length ? 1 : 0;
