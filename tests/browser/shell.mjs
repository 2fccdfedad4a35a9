// The app's shell, built as a newcomer builds it.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

export function buildShell() {
  const cwd = path.resolve(import.meta.dirname, '../../forge');
  const run = (command, ...parameters) => execFileSync(command, parameters, { cwd, stdio: ['ignore', 'ignore', 'inherit'] });
  if (!fs.existsSync(path.join(cwd, 'node_modules'))) run('npm', 'ci', '--silent');
  // the sandbox serves the shell with the add-on that runs in place of this one
  const manifest = path.join(fs.mkdtempSync(path.join(os.tmpdir(), 'browser-')), 'manifest.yml');
  fs.writeFileSync(manifest, 'remotes:\n  - key: app\n    baseUrl: https://addon.example.com\n');
  run(process.execPath, 'build.mjs', manifest);
  fs.rmSync(path.dirname(manifest), { recursive: true });
}
