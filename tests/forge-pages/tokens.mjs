// HS256 tokens, for the stand-ins: Forge's gateway and the backend.
import crypto from 'node:crypto';

const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
const sign = (text, key) => crypto.createHmac('sha256', key).update(text).digest('base64url');

export function mint(claims, key, seconds) {
  const body = `${encode({ alg: 'HS256', typ: 'JWT' })}.${encode({ ...claims, exp: Date.now() / 1000 + seconds })}`;
  return `${body}.${sign(body, key)}`;
}

/** The claims, or nothing if the token is not one of this key, or too old. */
export function verify(token, key) {
  const [head, payload, signature] = String(token).split('.');
  if (!signature || sign(`${head}.${payload}`, key) !== signature) return null;
  const claims = JSON.parse(Buffer.from(payload, 'base64url'));
  return claims.exp > Date.now() / 1000 ? claims : null;
}

/** Binds a token to one URL. */
export function hashOf(url) {
  const query = new URLSearchParams(url.search);
  query.delete('jwt');
  query.sort();
  return crypto.createHash('sha256').update(`${url.pathname}&${query}`).digest('hex');
}
