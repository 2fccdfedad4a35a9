// HAProxy in front of two nodes, as docs/deploying.md says, but it never tries a request again: each one that a node
// does not answer is seen.
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { freePort } from '../../lib/servers.mjs';
import { until } from '../../lib/until.mjs';

export class Haproxy {
  /** Starts it for the nodes on these ports, which it calls s1, s2. It ends with the script. `mode`: `http`, or `tcp`, in
   * which a client stays with a node until its connection ends. */
  static async start(world, ports, mode) {
    const proxy = new Haproxy();
    const port = await freePort();
    proxy.origin = `http://127.0.0.1:${port}`;
    proxy.socket = path.join(world.folder, 'haproxy.sock');
    const configuration = path.join(world.folder, 'haproxy.cfg');
    fs.writeFileSync(configuration, `global
    stats socket ${proxy.socket} mode 600 level admin
defaults
    mode ${mode}
    timeout connect 5s
    timeout client 60s
    timeout server 60s
    retries 0
frontend clients
    bind 127.0.0.1:${port}
    default_backend addon
backend addon
    option httpchk GET /readyz
    http-check expect status 200
    default-server check inter 1s fall 2 rise 1
${ports.map((port, index) => `    server s${index + 1} 127.0.0.1:${port}\n`).join('')}`);
    const log = fs.openSync(path.join(world.folder, 'haproxy.log'), 'a');
    const child = spawn('/usr/sbin/haproxy', ['-db', '-f', configuration], { stdio: ['ignore', log, log] });
    fs.closeSync(log);
    world.atEnd(() => child.kill('SIGKILL'));
    await until('HAProxy answers', 20, () => proxy.command('show info'));
    return proxy;
  }

  /** Sends a command to its socket, and returns the answer. */
  command(text) {
    return new Promise((resolve, reject) => {
      let answer = '';
      const socket = net.connect(this.socket, () => socket.write(`${text}\n`));
      socket.setTimeout(5000, () => socket.destroy(new Error('HAProxy does not answer')));
      socket.on('data', data => { answer += data; }).on('end', () => resolve(answer)).on('error', reject);
    });
  }

  /** What it knows of a node: `status`, `scur` (requests under way) … */
  async state(node) {
    const [head, ...rows] = (await this.command('show stat')).trim().split('\n').map(line => line.split(','));
    const row = rows.find(row => row[0] === 'addon' && row[1] === node);
    return Object.fromEntries(head.map((name, index) => [name, row[index]]));
  }

  until(node, what, is) {
    return until(`${node} ${what}`, 30, async () => is(await this.state(node)));
  }

  isUp(node) {
    return this.until(node, 'is up', state => state.status === 'UP');
  }

  /** Takes a node out, as an operator does, and waits until it has no request. */
  async drain(node) {
    await this.command(`set server addon/${node} state drain`);
    await this.until(node, 'has no request', state => state.scur === '0');
  }

  /** Undoes `drain`. */
  ready(node) {
    return this.command(`set server addon/${node} state ready`);
  }
}
