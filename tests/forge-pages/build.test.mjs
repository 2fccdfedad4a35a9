// build.mjs: what it takes from the manifest, and what it says when it cannot.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { test } from './harness.mjs';

const forge = path.resolve(import.meta.dirname, '../../forge');

/** Builds in a copy of the project. */
const build = (manifest, ...options) => buildChanged(manifest, () => {}, ...options);

/** The same, after a change of the copy. */
function buildChanged(manifest, change, ...options) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'forge-build-'));
  for (const name of ['build.mjs', 'package.json', 'shell']) fs.cpSync(path.join(forge, name), path.join(folder, name), { recursive: true });
  fs.symlinkSync(path.join(forge, 'node_modules'), path.join(folder, 'node_modules'));
  if (manifest !== null) fs.writeFileSync(path.join(folder, 'manifest.yml'), manifest);
  change(folder);
  const { status, stdout, stderr } = spawnSync(process.execPath, ['build.mjs', ...options], { cwd: folder, encoding: 'utf8' });
  const index = path.join(folder, 'static/shell/index.html');
  const page = fs.existsSync(index) ? fs.readFileSync(index, 'utf8') : '';
  const files = page ? fs.readdirSync(path.dirname(index)).sort() : [];
  fs.rmSync(folder, { recursive: true });
  return { status, said: stdout + stderr, files, block: /id="remotes">(.*?)<\/script>/.exec(page)?.[1] };
}

const remotes = (...urls) => `remotes:\n${urls.map((url, index) => `  - key: r${index}\n    baseUrl: ${url}\n`).join('')}`;

await test('the build writes the origins of all remotes and the base path', async () => {
  const { status, files, block } = build(remotes('https://a.example.com', 'https://b.example.com/', 'https://a.example.com'), '--base-path', '/app/');
  assert.equal(status, 0);
  assert.deepEqual(files, ['icon.svg', 'index.html', 'shell.css', 'shell.js']);
  assert.deepEqual(JSON.parse(block), { protocol: 1, origins: ['https://a.example.com', 'https://b.example.com'], basePath: '/app' });
});

await test('the build keeps what index.html says, and takes new files along', async () => {
  const { status, files, block } = buildChanged(remotes('https://a.example.com'), (folder) => {
    const index = path.join(folder, 'shell/index.html');
    fs.writeFileSync(index, fs.readFileSync(index, 'utf8').replace('"protocol":1', '"protocol":7,"other":"<"'));
    fs.writeFileSync(path.join(folder, 'shell/new.svg'), '<svg xmlns="http://www.w3.org/2000/svg"/>');
  });
  assert.equal(status, 0);
  assert.deepEqual(files, ['icon.svg', 'index.html', 'new.svg', 'shell.css', 'shell.js']);
  assert.equal(block.includes('<'), false);
  assert.deepEqual(JSON.parse(block), { protocol: 7, other: '<', origins: ['https://a.example.com'], basePath: '' });
});

await test('the build says what is wrong with a manifest', async () => {
  const rows = [
    [null, [], /manifest\.yml does not exist/],
    ['app: {}', [], /has no remote/],
    [remotes('nonsense'), [], /the remote "r0" has no valid baseUrl/],
    [remotes('https://a.example.com/app'), [], /pass its path with --base-path/i],
    [remotes('https://a.example.com'), ['--base-path', 'app?x'], /is not a path such as \/app/],
  ];
  for (const [manifest, options, expected] of rows) {
    const { status, said, files } = build(manifest, ...options);
    assert.equal(status, 1, said);
    assert.match(said, expected);
    assert.deepEqual(files, []);
  }
});

await test('no message is posted to everybody', () => {
  const folder = path.join(forge, 'shell');
  const shim = path.resolve(forge, '../crates/atlassian-connect-actix/assets/ap.js');
  const files = [shim, ...fs.readdirSync(folder).map((name) => path.join(folder, name))];
  for (const file of files) assert.doesNotMatch(fs.readFileSync(file, 'utf8'), /postMessage\([^)]*['"`]\*/, file);
});
