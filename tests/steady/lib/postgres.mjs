// A PostgreSQL server of the script's own, by .ci/servers.
import { execFile, execFileSync, spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { until } from '../../lib/until.mjs';
import { ROOT } from './world.mjs';

export class Postgres {
  /** Starts it; it ends with the script. */
  static start(world) {
    const folder = path.join(world.folder, 'servers');
    const servers = path.join(ROOT, '.ci/servers');
    const settings = execFileSync(servers, ['start', folder, 'postgres'], { encoding: 'utf8' });
    const server = new Postgres();
    // not synchronously: this process has to notice the end of a server that it started
    world.atEnd(() => promisify(execFile)(servers, ['stop', folder]));
    server.url = /TEST_POSTGRES_URL='([^']*)'/.exec(settings)[1];
    server.port = Number(new URL(server.url).port);
    server.pidFile = path.join(folder, 'postgres/plain.pid');
    server.log = path.join(world.folder, 'postgres.log');
    return server;
  }

  get #pid() {
    return Number(fs.readFileSync(this.pidFile, 'utf8'));
  }

  /** Makes a database and returns its URL; with a `port`, as if the server were there. */
  create(name, port = this.port) {
    execFileSync('psql', ['-q', this.url, '-c', `CREATE DATABASE "${name}"`]);
    const url = new URL(this.url);
    url.pathname = `/${name}`;
    url.port = String(port);
    return url.href;
  }

  /** Stops it at once, as a crash does. */
  async stop() {
    const pid = this.#pid;
    const words = file => fs.readFileSync(`/proc/${pid}/${file}`, 'utf8').split('\0').slice(0, -1);
    this.command = words('cmdline');
    this.locales = words('environ').filter(variable => variable.startsWith('LOCPATH='));
    process.kill(pid, 'SIGQUIT');
    // one that has ended and is still listed has no command line
    await until('PostgreSQL has stopped', 20, () => !fs.existsSync(`/proc/${pid}`) || !fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8'));
  }

  /** Starts it again, on the same data and port. */
  async restart() {
    const asUser = process.getuid() === 0 ? ['setpriv', '--reuid=postgres', '--regid=postgres', '--init-groups', '--'] : [];
    const [command, ...options] = [...asUser, 'env', ...this.locales, ...this.command];
    const output = fs.openSync(this.log, 'a');
    const child = spawn(command, options, { cwd: '/', stdio: ['ignore', output, output], detached: true });
    fs.closeSync(output);
    child.unref();
    fs.writeFileSync(this.pidFile, `${child.pid}\n`);
    await until('PostgreSQL accepts connections', 30, () => spawnSync('psql', ['-q', this.url, '-c', 'SELECT 1']).status === 0);
  }
}
