// Builds the shell and tests it in Chromium: `node run.mjs [words of a test's name]`. Much of the time is waiting, so
// that some browsers run side by side, each with a server of its own.
import { execFileSync, fork } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

const here = import.meta.dirname;
const forge = path.resolve(here, '../../forge');
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'forge-pages-'));
const manifest = path.join(folder, 'manifest.yml');
fs.writeFileSync(manifest, 'remotes:\n  - key: app\n    baseUrl: https://addon.example.com\n');
execFileSync(process.execPath, ['build.mjs', manifest], { cwd: forge, stdio: 'inherit' });
fs.rmSync(folder, { recursive: true });

const GROUPS = [['open', 'build', 'policy', 'dialogs'], ['calls', 'products'], ['attacks', 'documents']];

/** Counts of one group; a process that ends without them counts as one failure. */
const run = (names) => new Promise((resolve) => {
  const child = fork(path.join(here, 'group.mjs'), [names.join(), ...process.argv.slice(2)]);
  let counts = { passed: 0, failed: 1 };
  child.on('message', (message) => { counts = message; });
  child.on('exit', () => resolve(counts));
});

const results = await Promise.all(GROUPS.map(run));
const sum = (name) => results.reduce((total, counts) => total + counts[name], 0);
console.log(`\n${sum('passed')} passed, ${sum('failed')} failed`);
process.exitCode = sum('failed') || !sum('passed') ? 1 : 0;
