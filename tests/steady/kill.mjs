// Kills a node twenty times under load, on SQLite and on PostgreSQL. What it had acknowledged must be there afterwards.
//
//     node kill.mjs path/to/conformance [--kills 20] [--store sqlite|postgres]
import crypto from 'node:crypto';
import { parseArgs } from 'node:util';
import { freePort } from '../lib/servers.mjs';
import { forgeEvent, install, page } from '../lib/site.mjs';
import { until } from '../lib/until.mjs';
import { Load, ask, checkAll } from './lib/load.mjs';
import { Postgres } from './lib/postgres.mjs';
import { World } from './lib/world.mjs';

const { values: options, positionals: [binary] } = parseArgs({
  options: { kills: { type: 'string', default: '20' }, store: { type: 'string' } }, allowPositionals: true
});
if (!binary) {
  console.error('usage: node kill.mjs path/to/conformance [--kills 20] [--store sqlite|postgres]');
  process.exit(2);
}
const KILLS = Number(options.kills);
/** Sites that install, rotate their secret and uninstall at the same time. */
const CLIENTS = 4;
/** Longer than the lease of an event and the time between two looks, in seconds. */
const TAKE_OVER = 100;
/** The outcome of an uninstall. */
const GONE = null;

const below = number => Math.floor(Math.random() * number);

/** Sends changes of its sites, one at a time for each. A site has `settled`, the outcome of its last acknowledged change;
 * `open`, the outcomes of later ones that got no answer; `former`, secrets that must not be accepted any more. */
class Client {
  sites = [];

  constructor(world, number) {
    Object.assign(this, { world, number });
  }

  next(base) {
    if (!this.sites.length || below(100) < 40) {
      const number = `${this.number}-${this.sites.length}`;
      this.sites.push({ tenant: this.world.tenant(number), settled: GONE, open: [], former: [] });
    }
    const site = this.sites[this.sites.length - 1 - below(Math.min(8, this.sites.length))];
    const leaves = site.settled !== GONE && !site.open.length && below(4) === 0;
    const secret = leaves ? site.settled : crypto.randomBytes(32).toString('hex');
    const tenant = { ...site.tenant, sharedSecret: secret };
    const request = leaves ? install(tenant, base, this.world.keys, '/uninstalled') : install(tenant, base, this.world.keys);
    return { ...request, site, outcome: leaves ? GONE : secret };
  }

  then({ site, outcome }, { status, text }) {
    if (status === 204) {
      site.former.push(...[site.settled, ...site.open].filter(secret => secret !== GONE && secret !== outcome));
      Object.assign(site, { settled: outcome, open: [] });
      // nothing listens between a kill and the next start: such a change has certainly not been made
    } else if (text !== 'ECONNREFUSED') site.open.push(outcome);
  }
}

/** Why this site is not as it must be. */
async function problem(base, { tenant, settled, open, former }) {
  const opens = async secret => (await ask(base, page({ ...tenant, sharedSecret: secret }, '/hello-world'))).status;
  const possible = [settled, ...open];
  const secrets = possible.filter(secret => secret !== GONE);
  const statuses = await Promise.all(secrets.map(opens));
  const count = statuses.filter(status => status === 200).length;
  if (count > 1 || (count === 0 && !possible.includes(GONE))) return `${tenant.clientKey}: ${statuses} for its secrets`;
  for (const secret of former.slice(-2)) {
    const status = await opens(secret);
    if (status === 200 && !open.includes(secret)) return `${tenant.clientKey}: a former secret is accepted`;
  }
  return '';
}

async function killAndCheck(world, store, database) {
  const port = await freePort();
  const start = () => world.app(binary, { port, database, name: store });
  let node = await start();
  const base = node.local;
  const clients = Array.from({ length: CLIENTS }, (_, number) => new Client(world, `${store}-${number}`));
  const load = new Load();
  let acknowledged = 0;
  const counted = answer => {
    if (answer.status === 204) acknowledged++;
  };
  for (const client of clients) {
    load.start('changes', base, {
      pause: 0, good: [204, 0], next: () => client.next(base),
      then: (request, answer) => {
        client.then(request, answer);
        counted(answer);
      }
    });
  }
  const events = new Set();
  let number = 0;
  load.start('Forge events', base, {
    clients: 2, pause: 5, good: [204, 0],
    next: () => {
      const id = `${store}-event-${number++}`;
      return { ...forgeEvent({ eventType: 'field:fine', id, pause: below(100) }, '/forge/events', world.keys), id };
    },
    then: ({ id }, answer) => {
      counted(answer);
      if (answer.status === 204) events.add(id);
    }
  });
  const missing = () => {
    const told = world.told();
    return [...events].filter(id => !told.has(id));
  };
  const left = new Set();
  for (let kill = 1; kill <= KILLS; kill++) {
    const wanted = acknowledged + 20 + below(60);
    await until('changes are acknowledged', 60, () => acknowledged >= wanted);
    // into the midst of the changes
    await new Promise(resolve => setTimeout(resolve, below(30)));
    await node.kill();
    for (const id of missing()) left.add(id);
    node = await start();
  }
  await load.stop();
  checkAll(world, load.kinds, store);

  const sites = clients.flatMap(client => client.sites);
  const problems = [];
  for (const site of sites) {
    const found = await problem(base, site);
    if (found) problems.push(found);
  }
  const unsettled = sites.filter(site => site.open.length).length;
  world.check(`${store}: sites`, problems.length ? `${problems.length} of ${sites.length}: ${problems.slice(0, 5).join('; ')}` : '');
  world.check(`${store}: the kills came into the midst of changes`, load.kinds.get('changes').statuses.get(0) && left.size ? '' : `${left.size} events left`);
  await until('the events are told', TAKE_OVER, () => missing().length === 0).catch(() => undefined);
  world.check(`${store}: Forge events`, missing().length ? `${missing().length} of ${events.size} are not told: ${missing().slice(0, 5)}` : '');
  const again = [...world.told()].filter(([id, count]) => events.has(id) && count > 1).length;
  world.say(`${store}: ${KILLS} kills; ${sites.length} sites, ${unsettled} with a change that got no answer; ${events.size} Forge events acknowledged, ${left.size} of them left by a killed node, ${again} told more than once`);
  await node.stop(29);
}

await World.run('kill', async world => {
  if (options.store !== 'postgres') await killAndCheck(world, 'sqlite', `sqlite:${world.folder}/addon.db`);
  if (options.store !== 'sqlite') await killAndCheck(world, 'postgres', Postgres.start(world).create('steady'));
});
