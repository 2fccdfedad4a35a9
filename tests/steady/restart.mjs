// Replaces the nodes of a running app one after the other, behind HAProxy and under load. No request may fail, and
// nothing that was acknowledged may be lost.
//
//     node restart.mjs path/to/conformance [--tcp | --old path/to/older/conformance]
//
// With `--tcp` HAProxy balances connections and not requests, like a Service of Kubernetes.
// An older app has no `shutdown.delay`: its nodes are taken out by a command to HAProxy. It also keeps Forge events in
// another place, so one of its nodes is killed: the newer nodes must find what it leaves.
import { parseArgs } from 'node:util';
import { freePort } from '../lib/servers.mjs';
import { forgeEvent, install, page, session, webhook } from '../lib/site.mjs';
import { until } from '../lib/until.mjs';
import { Haproxy } from './lib/haproxy.mjs';
import { Load, ask, checkAll } from './lib/load.mjs';
import { Postgres } from './lib/postgres.mjs';
import { WEBHOOK, World } from './lib/world.mjs';

const { values: options, positionals: [binary] } = parseArgs({
  options: { old: { type: 'string' }, tcp: { type: 'boolean', default: false } }, allowPositionals: true
});
if (!binary || (options.tcp && options.old)) {
  console.error('usage: node restart.mjs path/to/conformance [--tcp | --old path/to/older/conformance]');
  process.exit(2);
}
const OLD = { binary: options.old ?? binary, name: options.old ? 'old' : 'same', mustBeDrained: Boolean(options.old) };
const NEW = { binary, name: 'new', mustBeDrained: false };
/** Longer than two checks of HAProxy, which are a second apart. */
const DELAY = 4;
/** Sites that send pages and webhooks. */
const SITES = 40;
/** Events are told with a pause, so that some are under way at each stop. */
const PAUSE = 300;
/** Longer than the lease of an event and the time between two looks, in seconds. */
const TAKE_OVER = 100;

await World.run('restart', async world => {
  const database = Postgres.start(world).create('steady');
  const ports = [await freePort(), await freePort()];
  const proxy = await Haproxy.start(world, ports, options.tcp ? 'tcp' : 'http');
  const base = proxy.origin;
  const nodes = [];

  const start = async (index, app) => {
    nodes[index] = { app, ...await world.app(app.binary, {
      port: ports[index], base, database, name: `node-${index + 1}`, env: { AC_SHUTDOWN_DELAY: String(DELAY) }
    }) };
    await proxy.ready(`s${index + 1}`);
    await proxy.isUp(`s${index + 1}`);
  };
  // one after the other: the first one makes the tables
  await start(0, OLD);
  await start(1, OLD);

  const sites = Array.from({ length: SITES }, (_, number) => world.tenant(number));
  for (const site of sites) {
    const answer = await ask(base, install(site, base, world.keys));
    if (answer.status !== 204) throw new Error(`an install was answered with ${answer.status}: ${answer.text}`);
  }
  const any = () => sites[Math.floor(Math.random() * SITES)];
  const load = new Load();
  const [installed, events] = [[], new Set()];
  let [site, event] = [SITES, 0];
  load.start('pages', base, { clients: 4, next: () => page(any(), '/hello-world') });
  load.start('sessions', base, { clients: 2, next: () => session(any()) });
  load.start('webhooks', base, { clients: 2, good: [204], next: () => webhook(any(), WEBHOOK) });
  load.start('installs', base, {
    clients: 2, good: [204],
    next: () => {
      const tenant = world.tenant(site++);
      return { ...install(tenant, base, world.keys), tenant };
    },
    then: ({ tenant }, { status }) => status === 204 && installed.push(tenant)
  });
  load.start('Forge events', base, {
    clients: 2, pause: 30, good: [204],
    next: () => {
      const id = `event-${event++}`;
      return { ...forgeEvent({ eventType: 'field:fine', id, pause: PAUSE }, '/forge/events', world.keys), id };
    },
    then: ({ id }, { status }) => status === 204 && events.add(id)
  });

  /** Waits until so many further requests have been answered. */
  const serves = requests => {
    const wanted = load.requests + requests;
    return until(`${requests} requests`, 60, () => load.requests >= wanted);
  };
  const missing = () => {
    const told = world.told();
    return [...events].filter(id => !told.has(id));
  };
  /** Events that a killed node had accepted and not told. */
  let left = [];
  const replace = async (index, app) => {
    const [node, name] = [nodes[index], `s${index + 1}`];
    await serves(500);
    const begun = performance.now();
    if (node.app.mustBeDrained) await proxy.drain(name);
    if (node.app.mustBeDrained && index === 0) {
      await node.kill();
      left = missing();
      world.check('the killed node leaves events', left.length ? '' : 'it has told all of them');
    } else {
      const ended = await node.stop(29);
      world.check(`${name} (${node.app.name}) ends by itself`, ended === 0 ? '' : `it ended with ${ended}`);
    }
    const stopped = performance.now();
    await start(index, app);
    await serves(500);
    world.say(`${name}: ${node.app.name} stopped in ${((stopped - begun) / 1000).toFixed(1)} s, ${app.name} serves ${((performance.now() - stopped) / 1000).toFixed(1)} s later`);
  };
  for (const app of [NEW, OLD]) {
    for (const index of [0, 1]) await replace(index, app);
    // taken over when the lease has expired, at a node's next look
    const told = await until('told', TAKE_OVER, () => left.every(id => world.told().has(id))).catch(() => false);
    world.check('the events of the killed node', told ? '' : `not told by the newer nodes: ${left.slice(0, 5)} … of ${left.length}`);
    checkAll(world, load.renew(), `to ${app.name}`);
  }
  await load.stop();

  const lost = [];
  for (const tenant of installed) {
    const { status } = await ask(base, page(tenant, '/hello-world'));
    if (status !== 200) lost.push(`${tenant.clientKey}: ${status}`);
  }
  world.check('acknowledged installs', lost.length || !installed.length ? `lost: ${lost.slice(0, 5)} … of ${installed.length}` : '');
  await until('the events are told', TAKE_OVER, () => missing().length === 0).catch(() => undefined);
  world.check('acknowledged Forge events', missing().length || !events.size ? `not told: ${missing().slice(0, 5)} … of ${events.size}` : '');
  const again = [...world.told().values()].filter(count => count > 1).length;
  world.say(`${installed.length} installs, ${events.size} Forge events acknowledged, ${left.length} events left by a killed node; ${again} events told more than once`);
});
