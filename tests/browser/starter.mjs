// Starts the starter with its sandbox in a folder of its own, as a newcomer has it, and stops it again.
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { freePort } from '../lib/servers.mjs';

const repository = path.resolve(import.meta.dirname, '../..');

/** Modules that the starter's descriptor does not have: one in a panel, one for a dialog, two with several pages. */
const MODULES = {
  webPanels: [
    {
      key: 'issue-panel',
      location: 'atl.jira.view.issue.right.context',
      name: { value: 'Issue panel' },
      url: '/hello-world?issue={issue.key}',
    },
  ],
  dialogs: [{ key: 'hello-dialog', name: { value: 'Hello dialog' }, url: '/hello-world' }],
  dynamicContentMacros: [
    { key: 'hello-macro', name: { value: 'Hello macro' }, url: '/hello-world', editor: { url: '/hello-world?editor=1' } },
  ],
  jiraWorkflowConditions: [
    {
      key: 'hello-rule',
      name: { value: 'Hello rule' },
      expression: 'true',
      create: { url: '/hello-world?rule=create' },
      view: { url: '/hello-world?rule=view' },
    },
  ],
};

/** Waits until `condition` gives something. What fails on the way there is forgotten, but for the last failure. */
export async function eventually(what, condition, seconds = 20) {
  const end = Date.now() + seconds * 1000;
  let failure;
  while (Date.now() < end) {
    try {
      const value = await condition();
      if (value) return value;
    } catch (error) {
      failure = error;
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`${what}: not within ${seconds} s${failure ? ` (${failure.message})` : ''}`);
}

export class Starter {
  /**
   * `log`: a file; `bridge`: whether the folder has the npm package of the bridge; `shell`: whether it has the shell for
   * Forge; `extras`: whether the descriptor has more modules than the starter's; `port`: the add-on's, and the sandbox's is
   * the next one; `env`: further variables.
   */
  static async start(binary, { log, bridge = true, shell = true, extras = true, port, env = {} }) {
    const starter = new Starter();
    starter.binary = path.resolve(binary);
    starter.log = log;
    starter.env = env;
    starter.folder = fs.mkdtempSync(path.join(os.tmpdir(), 'browser-'));
    starter.port = port ?? (await freePort());
    starter.sandboxPort = port ? port + 1 : await freePort();
    const descriptor = JSON.parse(fs.readFileSync(path.join(repository, 'atlassian-connect.json'), 'utf8'));
    for (const [type, modules] of Object.entries(extras ? MODULES : {})) {
      descriptor.modules[type] = [...(descriptor.modules[type] ?? []), ...modules];
    }
    fs.writeFileSync(path.join(starter.folder, 'atlassian-connect.json'), JSON.stringify(descriptor, null, 2));
    fs.copyFileSync(path.join(repository, 'config.json'), path.join(starter.folder, 'config.json'));
    fs.cpSync(path.join(repository, 'static'), path.join(starter.folder, 'static'), { recursive: true });
    const modules = path.join(import.meta.dirname, 'node_modules');
    if (bridge) fs.symlinkSync(modules, path.join(starter.folder, 'node_modules'));
    if (shell) fs.symlinkSync(path.join(repository, 'forge'), path.join(starter.folder, 'forge'));
    await starter.run();
    return starter;
  }

  get url() {
    return `http://localhost:${this.sandboxPort}`;
  }

  /** The sandbox as a site with a domain of its own shows itself. */
  get otherUrl() {
    return `http://127.0.0.1:${this.sandboxPort}`;
  }

  /** The product that shows pages through Forge. */
  get productUrl() {
    return `http://product.localhost:${this.sandboxPort}`;
  }

  get addonUrl() {
    return `http://localhost:${this.port}`;
  }

  async run() {
    const output = fs.openSync(this.log, 'a');
    // nothing of this machine's settings: only what a newcomer has
    const { PATH, HOME } = process.env;
    const env = { PATH, HOME, PORT: String(this.port), AC_SANDBOX_PORT: String(this.sandboxPort), RUST_LOG: 'info', ...this.env };
    this.process = spawn(this.binary, [], { cwd: this.folder, env, stdio: ['ignore', output, output] });
    fs.closeSync(output);
    process.once('exit', () => this.process.kill('SIGKILL')); // whatever ends the tests
    this.ended = new Promise((resolve) => this.process.once('exit', resolve));
    await eventually('the sandbox has installed the add-on', async () => {
      const { exitCode } = this.process;
      if (exitCode !== null) throw new Error(`the starter ended with ${exitCode}: see ${this.log}`);
      const page = await (await fetch(`${this.url}/jira`)).text();
      return page.includes('>installed<');
    });
  }

  async stop() {
    this.process.kill('SIGTERM');
    await this.ended;
  }

  async remove() {
    await this.stop();
    fs.rmSync(this.folder, { recursive: true, force: true });
  }
}
