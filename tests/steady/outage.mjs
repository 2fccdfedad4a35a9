// Takes PostgreSQL away from a running app under load, twice: first nothing arrives any more on the way to it, then it is
// stopped and started again. Sites that the app knows go on, nobody is let in who should not be, and it recovers.
//
//     node outage.mjs path/to/conformance [--seconds 30]
import { parseArgs } from 'node:util';
import { freePort } from '../lib/servers.mjs';
import { forgeEvent, install, page } from '../lib/site.mjs';
import { until } from '../lib/until.mjs';
import { Hole } from './lib/hole.mjs';
import { Load, ask } from './lib/load.mjs';
import { Postgres } from './lib/postgres.mjs';
import { World, quantile } from './lib/world.mjs';

const { values: options, positionals: [binary] } = parseArgs({ options: { seconds: { type: 'string', default: '30' } }, allowPositionals: true });
if (!binary) {
  console.error('usage: node outage.mjs path/to/conformance [--seconds 30]');
  process.exit(2);
}
const SECONDS = Number(options.seconds);
/** Sites whose pages are opened all the time, and sites that the app has not read when the outage begins. */
const [WARM, COLD] = [20, 100];
/** After this time the app knows that the database is away, in seconds. */
const NOTICED = 10;
/** The longest time to recover, in seconds. */
const RECOVERY = 10;
/** The longest time to a page of a known site: it waits two seconds for a store that does not answer. */
const LONGEST = 5000;
/** The longest time to an answer that needs the store. */
const LATEST = 25_000;

await World.run('outage', async world => {
  const postgres = Postgres.start(world);
  const hole = await Hole.to(postgres.port);
  world.atEnd(() => hole.close());
  const port = await freePort();
  const app = await world.app(binary, { port, database: postgres.create('steady', hole.port) });
  const base = app.local;
  const usage = () => ({ threads: app.threads(), connections: hole.connections, files: app.files() });
  // connections: the most that its pool makes, and the one that listens
  const idle = { ...usage(), connections: 9 };
  const installed = async tenant => (await ask(base, install(tenant, base, world.keys))).status === 204;
  const sites = Array.from({ length: WARM + 2 * COLD }, (_, number) => world.tenant(number));
  for (const site of sites) if (!await installed(site)) throw new Error(`${site.clientKey} cannot install`);
  const warm = sites.slice(0, WARM);
  let cold = [];

  // each request knows in which phase it began, and how long after its beginning
  let phase = { name: 'calm', begun: Date.now() };
  const seen = [];
  const load = new Load();
  const send = (name, settings) => load.start(name, base, {
    ...settings,
    next: () => ({ ...settings.next(), phase: phase.name, after: (Date.now() - phase.begun) / 1000 }),
    then: ({ phase, after }, answer) => seen.push({ name, phase, after, status: answer.status, ms: answer.ms, retry: answer.headers['retry-after'] })
  });
  const pick = list => list[Math.floor(Math.random() * list.length)];
  let number = sites.length;
  send('warm pages', { clients: 4, next: () => page(pick(warm), '/hello-world') });
  send('forged pages', { clients: 2, pause: 50, next: () => page({ ...pick(warm), sharedSecret: 'a guess' }, '/hello-world') });
  send('installs', { pause: 200, next: () => install(world.tenant(number++), base, world.keys) });
  send('Forge events', { pause: 200, next: () => forgeEvent({ eventType: 'field:fine', id: `event-${number++}` }, '/forge/events', world.keys) });
  send('/healthz', { pause: 200, next: () => ({ path: '/healthz' }) });
  send('/readyz', { pause: 200, next: () => ({ path: '/readyz' }) });

  const enter = name => {
    phase = { name, begun: Date.now() };
  };
  const of = (name, phase, from = 0) => seen.filter(one => one.name === name && one.phase === phase && one.after >= from);
  const after = seconds => until('time', seconds + 60, () => (Date.now() - phase.begun) / 1000 >= seconds);
  const figures = (name, phase) => {
    const times = of(name, phase).map(one => one.ms);
    return `${times.length} ${name}, p50 ${quantile(times, 0.5).toFixed(1)} ms, p99 ${quantile(times, 0.99).toFixed(1)} ms, longest ${quantile(times, 1).toFixed(0)} ms`;
  };
  /** Checks that the app serves everything, and how much it uses. */
  const calm = async name => {
    enter(name);
    await after(8);
    for (const [kind, status] of [['warm pages', 200], ['forged pages', 401], ['installs', 204], ['Forge events', 204], ['/readyz', 200], ['/healthz', 200]]) {
      const other = of(kind, name).filter(one => one.status !== status);
      world.check(`${name}: ${kind}`, other.length || !of(kind, name).length ? `${other.length} of ${of(kind, name).length}, as ${JSON.stringify(other[0])}` : '');
    }
    world.say(`${name}: ${figures('warm pages', name)}; ${JSON.stringify(usage())}`);
  };

  const outage = async (name, own, begin, end) => {
    cold = own;
    enter(name);
    await begin();
    send('cold pages', { clients: 2, pause: 100, next: () => page(pick(cold), '/hello-world') });
    await after(SECONDS);
    const during = usage();
    await end();
    // from now on it must recover
    enter(`after ${name}`);
    const back = Date.now();
    await until('recovery', 60, async () => {
      const answers = await Promise.all([
        ask(base, { path: '/readyz' }), ask(base, page(pick(cold), '/hello-world')), ask(base, install(world.tenant(number++), base, world.keys)),
        ask(base, forgeEvent({ eventType: 'field:fine', id: `event-${number++}` }, '/forge/events', world.keys))
      ]);
      return answers.map(answer => answer.status).join() === '200,200,204,204';
    });
    const took = (Date.now() - back) / 1000;
    world.check(`${name}: recovery`, took <= RECOVERY ? '' : `it took ${took} s`);
    const rest = (await Promise.all(cold.map(tenant => ask(base, page(tenant, '/hello-world'))))).filter(answer => answer.status !== 200);
    world.check(`${name}: cold sites after recovery`, rest.length ? `${rest.length} are refused with ${rest[0].status}` : '');

    // without those whose answer came after the outage
    const expect = (kind, what, wrong, from = NOTICED) => {
      const all = of(kind, name, from).filter(one => one.after + one.ms / 1000 < SECONDS);
      const bad = all.filter(wrong);
      world.check(`${name}: ${kind} ${what}`, bad.length || !all.length ? `not so for ${bad.length} of ${all.length}, as ${JSON.stringify(bad[0])}` : '');
    };
    expect('warm pages', 'are 200', one => one.status !== 200, 0);
    expect('warm pages', 'are bounded', one => one.ms > LONGEST, 0);
    expect('/healthz', 'is 200', one => one.status !== 200, 0);
    expect('forged pages', 'are never 200', one => ![401, 503].includes(one.status), 0);
    const comeBack = one => one.status !== 503 || !one.retry;
    for (const kind of ['cold pages', 'installs', 'Forge events', '/readyz']) expect(kind, 'are told to come back', comeBack);
    for (const kind of ['cold pages', 'installs', 'Forge events', '/readyz']) {
      const late = of(kind, name).filter(one => one.ms > LATEST);
      world.check(`${name}: ${kind} are answered in time`, late.length ? `${late.length} are not, as ${JSON.stringify(late[0])}` : '');
    }
    world.say(`${name}: ${figures('warm pages', name)}; ${figures('cold pages', name)}`);
    world.say(`${name}: recovered ${took.toFixed(1)} s after the database was back; ${JSON.stringify(during)} at its end`);
    await calm(`calm after ${name}`);
  };

  await calm('calm');
  await outage('no byte arrives', sites.slice(WARM, WARM + COLD), () => hole.block(), () => hole.unblock());
  await outage('the server is stopped', sites.slice(WARM + COLD), () => postgres.stop(), () => postgres.restart());
  await load.stop();
  // threads that waited for an answer end when they have had nothing to do for ten seconds
  const fits = () => {
    const now = usage();
    return now.threads <= idle.threads + 1 && now.connections <= idle.connections && now.files <= idle.files + 10;
  };
  const freed = await until('it uses no more than before', 40, fits).catch(() => false);
  world.check('what it uses', freed ? '' : `${JSON.stringify(usage())}, before ${JSON.stringify(idle)}`);
  world.say(`without requests: ${JSON.stringify(usage())}, before ${JSON.stringify(idle)}`);
  world.check('the app', app.hasEnded() ? 'it has ended' : '');
});
