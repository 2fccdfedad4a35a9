// A site with many tenants, and Atlassian's key servers, for the apps under test.
import crypto from 'node:crypto';
import { listen } from './servers.mjs';
import { hs256, now, qsh, rs256 } from './tokens.mjs';

export const APP_ID = '11111111-1111-4111-8111-111111111111';
export const SHELL = 'https://0a1b2c3d.cdn.prod.atlassian-dev.net';
const CLOUD = '22222222-2222-4222-8222-222222222222';
const KID = 'bench-key';
const HOUR = 3600;
const CONTEXT = {
  jira: { issue: { id: '10042', key: 'BENCH-42', issuetype: { id: '10001' } }, project: { id: '10000', key: 'BENCH' } },
  user: { accountId: '5b10a2844c20165700ede21g', displayName: 'Mia Krystof' }
};

/** Starts the key servers. `keys.url` serves both kinds of keys. */
export async function keyServers() {
  const { publicKey, privateKey } = crypto.generateKeyPairSync('rsa', { modulusLength: 2048 });
  const pem = publicKey.export({ type: 'spki', format: 'pem' });
  const jwks = JSON.stringify({ keys: [{ ...publicKey.export({ format: 'jwk' }), kid: KID, use: 'sig', alg: 'RS256' }] });
  const { server, origin } = await listen((request, response) => response.end(request.url === '/jwks.json' ? jwks : pem));
  return { url: origin, privateKey, stop: () => server.close() };
}

/** The stored installation of tenant `number`. */
export const installation = (number, key) => ({
  key, clientKey: `bench-tenant-${number}`, sharedSecret: `the-shared-secret-of-the-tenant-with-the-number-${number}`,
  baseUrl: `https://site-${number}.atlassian.net`, productType: 'jira', description: 'Atlassian JIRA', eventType: 'installed',
  displayUrl: `https://site-${number}.atlassian.net`, publicKey: 'MIG', serverVersion: '1', pluginsVersion: '1'
});

/** Claims of a token that the site of a tenant makes for a page or a webhook. */
const claims = (tenant, hash) => ({
  iss: tenant.clientKey, sub: CONTEXT.user.accountId, iat: now(), exp: now() + HOUR, qsh: hash, context: CONTEXT
});

/** A page as the host opens it in a frame. */
export function page(tenant, path) {
  const host = encodeURIComponent(tenant.baseUrl);
  const query = `xdm_e=${host}&xdm_c=channel-com.example__hello-world-page&cp=&xdm_deprecated_addon_key_do_not_use=${tenant.key}&lic=active&cv=1001.0.0&tz=Europe%2FBerlin&loc=en-US`;
  return { path: `${path}?${query}&jwt=${hs256(claims(tenant, qsh('GET', path, query)), tenant.sharedSecret)}` };
}

/** A call from the page with the token of `AP.context.getToken`. */
export function session(tenant, user = CONTEXT.user.accountId) {
  const token = hs256({ ...claims(tenant, 'context-qsh'), sub: user }, tenant.sharedSecret);
  return { path: '/api/session', headers: { Authorization: `JWT ${token}` } };
}

export function webhook(tenant, path) {
  const body = JSON.stringify({
    timestamp: Date.now(), webhookEvent: 'jira:issue_created',
    issue: { id: '10042', key: 'BENCH-42', fields: { summary: 'A summary', description: 'x'.repeat(2000) } }
  });
  const Authorization = `JWT ${hs256(claims(tenant, qsh('POST', path)), tenant.sharedSecret)}`;
  return { method: 'POST', path, headers: { Authorization, 'Content-Type': 'application/json' }, body };
}

/** A lifecycle callback; `path` is `/installed` or `/uninstalled`. */
export function install(tenant, base, keys, path = '/installed') {
  const token = rs256({ iss: tenant.clientKey, aud: [base], iat: now(), exp: now() + HOUR, qsh: qsh('POST', path) }, KID, keys.privateKey);
  const headers = { Authorization: `JWT ${token}`, 'Content-Type': 'application/json' };
  return { method: 'POST', path, headers, body: JSON.stringify({ ...tenant, eventType: path.slice(1) }) };
}

/** An event that Forge sends to the app. */
export function forgeEvent(body, path, keys) {
  const app = {
    id: `ari:cloud:ecosystem::app/${APP_ID}`, installationId: 'ari:cloud:ecosystem::installation/1', appVersion: '1.0.0',
    apiBaseUrl: `https://api.atlassian.com/ex/jira/${CLOUD}`,
    environment: { type: 'PRODUCTION', id: 'ari:cloud:ecosystem::environment/e' }, module: { type: 'core:endpoint', key: 'events' }
  };
  const token = rs256({ iss: 'forge/invocation-token', aud: app.id, iat: now(), nbf: now(), exp: now() + HOUR, jti: crypto.randomUUID(), app }, KID, keys.privateKey);
  return { method: 'POST', path, headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' }, body: JSON.stringify(body) };
}

/** An invocation of Forge from a page's frame. */
export function invocation(number, path, body, keys) {
  const uuid = `33333333-3333-4333-8333-${String(number).padStart(12, '0')}`;
  const [id, api] = [`ari:cloud:ecosystem::installation/${uuid}`, `https://api.atlassian.com/ex/jira/${CLOUD}`];
  const app = {
    id: `ari:cloud:ecosystem::app/${APP_ID}`, version: '1.0.0', installationId: id, apiBaseUrl: api,
    environment: { type: 'PRODUCTION', id: 'ari:cloud:ecosystem::environment/e' }, module: { type: 'core:endpoint', key: 'open' },
    installation: { id, contexts: [{ name: 'jira', cloudId: CLOUD, apiBaseUrl: api }] }
  };
  const context = {
    cloudId: CLOUD, siteUrl: `https://site-${number}.atlassian.net`, moduleKey: 'hello-world-page', extension: { type: 'jira:globalPage' }
  };
  const token = rs256({
    iss: 'forge/invocation-token', aud: app.id, iat: now(), nbf: now(), exp: now() + HOUR, jti: crypto.randomUUID(),
    app, context, principal: CONTEXT.user.accountId
  }, KID, keys.privateKey);
  const headers = {
    Authorization: `Bearer ${token}`, 'Content-Type': 'application/json',
    'x-forge-oauth-system': 'system', 'x-forge-oauth-user': 'user'
  };
  return { method: 'POST', path, headers, body: JSON.stringify(body) };
}
