// Generates the test vectors with Atlassian's own library: `npm ci && npm run make` (node >= 20). With --check it
// compares the committed files instead of writing them. The output is the same on every run.
import fs from 'node:fs';
import querystring from 'node:querystring';
import { createRequire } from 'node:module';

const jwt = createRequire(import.meta.url)('atlassian-jwt');
const here = new URL('../../crates/atlassian-connect-actix/tests/fixtures/', import.meta.url);

// a small generator with a fixed seed (mulberry32), so that the table never changes
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

// tokens: signed by their library, read by the framework
const secrets = ['secret', 'a', 'ünïcödé ☃', ' spaces ', 'x'.repeat(300)];
const claims = [
  { iss: 'host', exp: 4102444800 },
  { iss: 'host', sub: '557058:x', iat: 1700000000, exp: 4102444800, qsh: 'context-qsh', context: { user: { accountId: 'Zoë ☃ 😀' } } },
  { iss: 'addon', aud: ['host'], exp: 4102444800.5, extra: [1, null, { a: 'b' }] }
];
const tokens = secrets.flatMap(secret => claims.map(c => ({ secret, claims: c, token: jwt.encodeSymmetric(c, secret, 'HS256') })));

const mutations = mutatedRequests();

let stale = false;
for (const [name, content] of [['qsh.json', vectors], ['tokens.json', tokens], ['mutations.json', mutations]]) {
  const text = '[\n' + content.map(v => ' ' + JSON.stringify(v)).join(',\n') + '\n]\n';
  const file = new URL(name, here);
  if (!process.argv.includes('--check')) fs.writeFileSync(file, text);
  else if (fs.readFileSync(file, 'utf8') !== text) { console.error(`${name} differs from the output of atlassian-jwt`); stale = true; }
}
const mutated = mutations.reduce((sum, base) => sum + base.mutated.length, 0);
console.log(`${vectors.length} requests, ${tokens.length} tokens, ${mutated} mutated requests`);
process.exit(stale ? 1 : 0);

// Requests that differ from a base request in the signed part: a token for the base must be refused. Each base lists
// only the changed part (its path, query or form) with the hash of the resulting request. All paths have two segments
// below /r/, so one route matches all of them and no 404 hides an acceptance.
function mutatedRequests() {
  const each = 44;
  const paths = ['/r/project/A-1', '/r/caf%C3%A9/a%20b', '/r/x%2Fy/z', '/r/a.b~c/100%25', '/r/Ab/aB'];
  const queries = ['a=1', 'b=2&a=1&a=3', 'name=J%C3%A9r%C3%B4me+x&empty=&flag', 'list%5B%5D=1&list%5B%5D=2&a-b=z', 'x=1%2C2&x=0&y=%26%3D%25'];
  const bases = [];
  for (const method of ['GET', 'POST']) {
    for (const path of paths) bases.push({ part: 'path', method, path, query: '', form: '' });
    for (const query of queries) bases.push({ part: 'query', method, path: '/r/page/one', query, form: '' });
  }
  for (const form of queries) bases.push({ part: 'form', method: 'POST', path: '/r/page/one', query: '', form });
  return bases.map(base => {
    const seen = new Set([base[base.part]]);
    const own = hashOf(base);
    const mutated = [];
    while (mutated.length < each) {
      let text = base[base.part];
      for (let i = random() < 0.7 ? 1 : 2; i > 0; i--) text = base.part === 'path' ? mutatePath(text) : mutateQuery(text);
      const request = { ...base, [base.part]: text };
      if (seen.has(text) || !isSentAsItIs(request)) continue;
      seen.add(text);
      const hash = hashOf(request);
      if (hash !== own) mutated.push([text, hash]);
    }
    return { ...base, qsh: own, mutated };
  });
}

function hashOf({ method, path, query, form }) {
  const request = jwt.fromMethodAndUrl(method, query ? `${path}?${query}` : path);
  return jwt.createQueryStringHash({ ...request, body: { ...querystring.parse(form) } }, true, '');
}

// Changes by node's URL parser or by a route with two segments would say nothing about the hash.
function isSentAsItIs({ method, path, query }) {
  const url = query ? `${path}?${query}` : path;
  return /^\/r\/[^/?#]+\/[^/?#]+$/.test(path) && /^[!-~]*$/.test(url) && !/["'<>\\^`{}|#]/.test(url) &&
    jwt.fromMethodAndUrl(method, url).pathname === path;
}

function at(text, change) {
  const i = Math.floor(random() * (text.length + 1));
  return change(text.slice(0, i), text.slice(i));
}

function mutateText(text) {
  const escapes = ['%20', '%2F', '%2f', '%00', '%0A', '%0D%0A', '%C3%A9', 'e%CC%81', '%EF%BC%8F', '%2E%2E', '%5C', '%3F', '%23', '%26', '%25', '%3B', '%7E',
    '%E2%80%8B', '%EF%BB%BF', '%F0%9F%98%80', '%2B', '+', '.', ',', '~', ';', '_', '-', '@', ':', '!', '$', '(', ')', '*', '0', 'a', 'Z'];
  const escape = text.match(/%[0-9A-Fa-f]{2}/);
  const plain = text.match(/[A-Za-z0-9]/);
  return pick([
    () => at(text, (left, right) => left + pick(escapes) + right),
    () => at(text, (left, right) => left + right.slice(1)),
    () => at(text, (left, right) => left + pick(escapes) + right.slice(1)),
    () => escape ? text.replace(escape[0], escape[0].replace('%', '%25')) : text + '%25',
    () => escape ? text.replace(escape[0], '%' + escape[0].slice(1).toLowerCase()) : text.toUpperCase(),
    () => escape ? text.replace(escape[0], '%' + escape[0].slice(1).toUpperCase()) : text.toLowerCase(),
    () => escape ? text.replace(escape[0], pick(['', '%', escape[0].slice(1), '+'])) : text + text,
    () => plain ? text.replace(plain[0], '%' + plain[0].charCodeAt(0).toString(16)) : text + '%41',
    () => plain ? text.replace(plain[0], plain[0] === plain[0].toUpperCase() ? plain[0].toLowerCase() : plain[0].toUpperCase()) : text + 'x',
    () => [...text].reverse().join('')
  ])();
}

function mutatePath(path) {
  const [, , first, second] = path.split('/');
  return pick([
    () => `/r/${mutateText(first)}/${second}`, () => `/r/${first}/${mutateText(second)}`, () => `/r/${second}/${first}`,
    () => `/r/${first};/${second}`, () => `/r/${first}/${second}?`, () => `/r/.%2F${first}/${second}`, () => `/r/${first}%2F../${second}`
  ])();
}

function mutateQuery(query) {
  const pairs = query.split('&');
  const i = Math.floor(random() * pairs.length);
  const [name, value = ''] = pairs[i].split('=');
  const put = (...some) => pairs.toSpliced(i, 1, ...some).join('&');
  return pick([
    () => put(`${name}=${mutateText(value)}`), () => put(`${mutateText(name)}=${value}`), () => put(),
    () => put(pairs[i], pairs[i]), () => put(`${name}=${value}`, `${name}=${mutateText(value)}`), () => put(`${name}%5B%5D=${value}`),
    () => put(pairs[i], `${pick(['JWT', 'Jwt', 'jwt%00', '_jwt', 'admin', 'a', '__proto__x', 'hasOwnProperty', '', '%20a', 'a%00'])}=${pick(['', '1', '2', 'true'])}`),
    () => put(`${value || 'x'}=${name}`), () => query.replace('&', pick(['%26', ';', ',', '&&x', '%2C', '?'])), () => query.replace('=', pick(['%3D', '==', '=,', '=%2C'])),
    () => put(`${name}=${value}%2C${value}`), () => put(`${name}=${value},`), () => pairs.map(pair => pair.split('=')[0]).join('&'),
    () => `${query}&${query}`, () => `${query}&${name}`, () => query.replaceAll('+', '%2B'), () => query.replaceAll('%2C', ',%2C')
  ])();
}
