// Makes the vectors that the tests hold us to, with Atlassian's own library: `npm ci && npm run make`.
// With --check it compares the committed files instead of writing them. The output is the same on every run.
import fs from 'node:fs';
import { createRequire } from 'node:module';

const jwt = createRequire(import.meta.url)('atlassian-jwt');
const here = new URL('../fixtures/', import.meta.url);

// a small generator with a fixed seed (mulberry32), so that the table never changes by itself
let state = 20261122;
function random() {
  state = (state + 0x6d2b79f5) | 0;
  let t = Math.imul(state ^ (state >>> 15), 1 | state);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
}
const pick = list => list[Math.floor(random() * list.length)];

const paths = ['/', '/a', '/a/', '/a//', '/p//', '/path/to/service', '/a%20b', '/p%2Fq/a%20b', '/x&y', '/x&y/&', '/%E2%98%83',
  '/caf%C3%A9/menu', '/a.b-c_d~e', '/a;b=c', '/a,b', '/@user', '/a:b', "/it's", '/a(b)', '/a*b', '/a+b', '/a%2bb', '/%7Euser', '/~user',
  '/rest/api/3/issue/A-1', '/webhook/issue-created', '/a!$b', '/..a', '/a%00b'];
const queries = ['', 'a=1', 'b=2&a=1&c=3', 'a=2&a=1', 'a=1&a=1', 'a=2&b=1&a=1', 'a=10&a=9&a=B&a=a%20&a=b', 'a=1%2C2&a=0', 'a=x,y&b=1&b=2', 'a=&b=1', 'a&b=1', 'a',
  'a=1&', 'a=1&&b=2', '&a=1', '=x&a=1', 'a=b=c', 'q=a+b', 'q=a%20b', 'q=a%2Bb', 'a=b+c&d=e%2Bf', 'q=*all', 'q=%2Aall', 'q=~user', 'q=%7Euser',
  "q=it%27s!(x)", 'q=%E2%98%83%C3%A9', 'q=%F0%9F%98%80', 'q=%c3%a9', 'q=a%26b%3Dc', 'q=a,b', 'q=a;b', 'q=a/b?c', 'q=a:b@c',
  'xdm_e=https%3A%2F%2Fx.example%3A8443&cp=%2Fwiki', 'b=1&A=2&a=3&B=4', 'x=b&x=A&x=a&x=B', 'project.id=1&issue.key=A-1&loc=en-US', 'a10=1&a9=2&a1=3',
  'a%20b=1&c%2Fd=2', 'a%5B%5D=1&a%5B%5D=2', 'a%5Bb%5D=1&a-b=2', 'a-b=1&a%C3%A9=2', 'z=1&%C3%A9=2', '%C3%A9=1&z=2&e=3', 'x=z&x=%C3%A9&x=a', 'a=%FF', 'a=%zz', 'a=%', 'a=%4',
  'a=%E2%98', 'JWT=1', 'jwt=token', 'jwt=token&a=1', 'a=1&jwt=token&b=2', '%6Awt=1&a=1', 'hasOwnProperty=1', 'constructor=1&toString=2', 'a=%00', 'a=%0A%0D', 'a=%25', 'a=%2525',
  'q=' + 'x'.repeat(2000), Array.from({ length: 120 }, (_, i) => `p${i}=${i}`).join('&'), Array.from({ length: 30 }, (_, i) => `a=${i}`).join('&'),
  '%F0%9F%98%80=1&%EF%BF%BD=2&z=3', 'x=%F0%9F%98%80&x=%EF%BF%BD', 'jql=project%20%3D%20%22A%20%26%20B%22%20ORDER%20BY%20created'];
const methods = ['GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'HEAD', 'get', 'pOsT'];
const names = ['a', 'b', 'A', 'z', 'a-b', 'a.b', 'a_b', 'a~', '%C3%A9', 'a%5B%5D', 'a%20b', 'long-name', '1', '10', '9', '%E2%98%83'];
const values = ['', '1', '2', '10', 'x', 'X', 'a%20b', 'a+b', '%C3%A9', 'a%2Cb', ',', '~', '*', '%2F', 'b%3Dc', '%26', '%F0%9F%98%80', 'z'];

const requests = [];
for (const path of paths) requests.push(['GET', path, '']);
for (const query of queries) requests.push(['GET', '/x', query]);
for (const method of methods) requests.push([method, '/x/y', 'b=2&a=1']);
for (let i = 0; i < 300; i++) {
  const query = Array.from({ length: Math.floor(random() * 6) }, () => `${pick(names)}=${pick(values)}`).join('&');
  requests.push([pick(methods), pick(paths), query]);
}
const vectors = requests.map(([method, path, query]) => {
  const url = query ? `${path}?${query}` : path;
  return {
    method, path, query,
    canonical: jwt.createCanonicalRequest(jwt.fromMethodAndUrl(method, url), false, ''),
    qsh: jwt.createQueryStringHash(jwt.fromMethodAndUrl(method, url), false, '')
  };
});

// tokens: signed by their library, read by ours
const secrets = ['secret', 'a', 'ünïcödé ☃', ' spaces ', 'x'.repeat(300)];
const claims = [
  { iss: 'host', exp: 4102444800 },
  { iss: 'host', sub: '557058:x', iat: 1700000000, exp: 4102444800, qsh: 'context-qsh', context: { user: { accountId: 'Zoë ☃ 😀' } } },
  { iss: 'addon', aud: ['host'], exp: 4102444800.5, extra: [1, null, { a: 'b' }] }
];
const tokens = secrets.flatMap(secret => claims.map(c => ({ secret, claims: c, token: jwt.encodeSymmetric(c, secret, 'HS256') })));

let stale = false;
for (const [name, content] of [['qsh.json', vectors], ['tokens.json', tokens]]) {
  const text = '[\n' + content.map(v => ' ' + JSON.stringify(v)).join(',\n') + '\n]\n';
  const file = new URL(name, here);
  if (!process.argv.includes('--check')) fs.writeFileSync(file, text);
  else if (fs.readFileSync(file, 'utf8') !== text) { console.error(`${name} is not what atlassian-jwt makes`); stale = true; }
}
console.log(`${vectors.length} requests, ${tokens.length} tokens`);
process.exit(stale ? 1 : 0);
