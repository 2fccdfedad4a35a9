// Tokens as Atlassian's side makes them.
import crypto from 'node:crypto';

const segment = value => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');
export const now = () => Math.floor(Date.now() / 1000);

/** A token signed with a tenant's shared secret. */
export function hs256(claims, secret) {
  const message = `${segment({ typ: 'JWT', alg: 'HS256' })}.${segment(claims)}`;
  return `${message}.${crypto.createHmac('sha256', secret).update(message).digest('base64url')}`;
}

/** A token signed with an RSA key. */
export function rs256(claims, kid, key) {
  const message = `${segment({ typ: 'JWT', alg: 'RS256', kid })}.${segment(claims)}`;
  return `${message}.${crypto.sign('RSA-SHA256', Buffer.from(message), key).toString('base64url')}`;
}

/** The query string hash of a request whose parameters occur once and have ASCII names. */
export function qsh(method, path, query = '') {
  const encode = text => encodeURIComponent(text).replace(/[!'()*]/g, c => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
  const pairs = [...new URLSearchParams(query)].map(([name, value]) => `${encode(name)}=${encode(value)}`).sort();
  return crypto.createHash('sha256').update(`${method}&${path}&${pairs.join('&')}`).digest('hex');
}
