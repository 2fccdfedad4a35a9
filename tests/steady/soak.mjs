// Runs the app for minutes under load, with a host that is in turn fine, slow, failing and limiting its callers. The app
// must not fail for any reason of its own, nor grow.
//
//     node soak.mjs path/to/conformance [--minutes 10]
import { parseArgs } from 'node:util';
import { freePort, listen } from '../lib/servers.mjs';
import { forgeEvent, install, page, session, webhook } from '../lib/site.mjs';
import { until } from '../lib/until.mjs';
import { Load, ask, checkAll } from './lib/load.mjs';
import { Postgres } from './lib/postgres.mjs';
import { WEBHOOK, World, quantile } from './lib/world.mjs';

const { values: options, positionals: [binary] } = parseArgs({ options: { minutes: { type: 'string', default: '10' } }, allowPositionals: true });
const MINUTES = Number(options.minutes);
if (!binary || !(MINUTES >= 2)) {
  console.error('usage: node soak.mjs path/to/conformance [--minutes 10], at least 2');
  process.exit(2);
}
/** How long the host stays in each of its moods, in seconds. They all come once in a minute. */
const MOOD = 15;
const MOODS = ['fine', 'slow', 'failing', 'limiting'];
/** Sites that the load comes from, and users of each. */
const [SITES, USERS] = [200, 20];
/** How much the memory and the open files may grow. */
const GROWTH = 1.1;

await World.run('soak', async world => {
  let mood = MOODS[0];
  const asked = new Map();
  const host = await listen((request, response) => {
    asked.set(mood, (asked.get(mood) ?? 0) + 1);
    const body = JSON.stringify({ text: 'x'.repeat(2000) });
    const answer = (status, headers = {}) => response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(body);
    request.resume();
    if (mood === 'slow') setTimeout(() => answer(200), 500 + Math.random() * 3000);
    else if (mood === 'failing') answer(500);
    else if (mood === 'limiting' && Math.random() < 0.5) answer(429, { 'retry-after': '1' });
    else answer(200);
  });
  const authorization = await listen((request, response) => {
    request.resume();
    const token = { access_token: `token-${Math.random()}`, expires_in: 60, token_type: 'Bearer' };
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(token));
  });
  for (const { server } of [host, authorization]) {
    world.atEnd(() => {
      server.close();
      server.closeAllConnections();
    });
  }
  const port = await freePort();
  const app = await world.app(binary, {
    port, database: Postgres.start(world).create('steady'), env: { AC_AUTHORIZATION_SERVER_URL: authorization.origin }
  });
  const base = app.local;
  const sites = Array.from({ length: SITES }, (_, number) => ({ ...world.tenant(number, host.origin), oauthClientId: `client-${number}` }));
  for (const site of sites) {
    const { status, text } = await ask(base, install(site, base, world.keys));
    if (status !== 204) throw new Error(`an install was answered with ${status}: ${text}`);
  }

  const below = number => Math.floor(Math.random() * number);
  const any = () => sites[below(SITES)];
  const load = new Load();
  const events = new Set();
  const calls = new Map();
  let event = 0;
  load.start('pages', base, { clients: 4, pause: 20, next: () => page(any(), '/hello-world') });
  load.start('sessions', base, { clients: 2, pause: 20, next: () => session(any()) });
  load.start('webhooks', base, { clients: 2, pause: 20, good: [204], next: () => webhook(any(), WEBHOOK) });
  load.start('installs', base, { pause: 100, good: [204], next: () => install(any(), base, world.keys) });
  load.start('Forge events', base, {
    clients: 2, pause: 100, good: [204],
    next: () => {
      const id = `event-${event++}`;
      return { ...forgeEvent({ eventType: 'field:fine', id, pause: below(200) }, '/forge/events', world.keys), id };
    },
    then: ({ id }, { status }) => status === 204 && events.add(id)
  });
  for (const as of ['user', 'app']) {
    load.start(`calls as the ${as}`, base, {
      clients: 8, pause: 20,
      next: () => {
        const { headers } = session(any(), `user-${below(USERS)}`);
        const body = JSON.stringify({ as, method: 'GET', url: '/rest/x' });
        return { method: 'POST', path: '/api/host', headers: { ...headers, 'Content-Type': 'application/json' }, body, mood };
      },
      // the app passes on what the host has answered
      then: ({ mood }, { status, text }) => {
        const key = `${mood}: ${status === 200 ? JSON.parse(text).status : `our own ${status}`}`;
        calls.set(key, (calls.get(key) ?? 0) + 1);
      }
    });
  }

  const begun = Date.now();
  const elapsed = () => (Date.now() - begun) / 1000;
  const samples = [];
  const end = MINUTES * 60 + MOOD;
  for (let second = 0; second < end; second++) {
    await until('the next second', 30, () => elapsed() >= second);
    mood = MOODS[Math.floor(second / MOOD) % MOODS.length];
    samples.push({ second, memory: app.memory(), files: app.files(), threads: app.threads() });
    if (second % 60 === MOOD - 1) world.say(`minute ${Math.floor(second / 60)}: ${app.memory().toFixed(1)} MiB, ${app.files()} files, ${app.threads()} threads`);
  }
  await load.stop();
  checkAll(world, load.kinds, 'soak');
  world.say(`the host was asked ${[...asked].map(([mood, count]) => `${count} times while ${mood}`).join(', ')}; calls by its mood: ${[...calls].sort().map(([key, count]) => `${key} (${count})`).join(', ')}`);
  for (const [mood, status] of [['fine', 200], ['slow', 200], ['failing', 500], ['limiting', 200]]) {
    world.check(`calls while the host is ${mood}`, calls.get(`${mood}: ${status}`) ? '' : `none was answered with ${status}`);
  }
  // in the same mood of the host
  const median = (what, from) => quantile(samples.filter(({ second }) => second >= from && second < from + MOOD).map(sample => sample[what]), 0.5);
  for (const what of ['memory', 'files']) {
    const [first, last] = [median(what, 60), median(what, MINUTES * 60)];
    world.say(`${what}: ${first.toFixed(1)} after the first minute, ${last.toFixed(1)} after ${MINUTES}`);
    world.check(what, last <= first * GROWTH ? '' : `${last.toFixed(1)}, ${first.toFixed(1)} after the first minute`);
  }
  const missing = () => {
    const told = world.told();
    return [...events].filter(id => !told.has(id));
  };
  await until('the events are told', 60, () => missing().length === 0).catch(() => undefined);
  world.check('Forge events', missing().length ? `${missing().length} of ${events.size} are not told` : '');
});
