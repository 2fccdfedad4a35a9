// Real descriptors in the sandbox: starts the given starter with each descriptor in a folder. Its sandbox must list
// each module with a page, with all context parameters of its URL filled.
//
//     node list.mjs path/to/atlassian-connect-actix path/to/descriptors
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { freePort } from '../lib/servers.mjs';

const [binary, folder] = process.argv.slice(2).map((name) => path.resolve(name));
const files = fs.readdirSync(folder).filter((name) => name.endsWith('.json'));
if (files.length === 0) throw new Error(`no descriptor found in ${folder}`);
let passed = 0, failed = 0;

/** The pages' URLs: of the module itself, of its target, of its editor. Links to other sites and into the product do not count. */
function pages(descriptor) {
  const base = descriptor.baseUrl.replace(/\/$/, '');
  const found = [];
  for (const [kind, value] of Object.entries(descriptor.modules ?? {})) {
    if (kind === 'webhooks') continue;
    for (const module of [value].flat()) {
      for (const url of [module.url, module.target?.url, module.editor?.url]) {
        if (typeof url !== 'string') continue;
        const own = url.startsWith(base) ? url.slice(base.length) : url;
        if (/^[a-z]+:|^\/\//i.test(own) || (kind === 'webItems' && module.context !== 'addon' && module.context)) continue;
        found.push({ kind, path: own.split('?')[0], parameters: new URLSearchParams(own.split('?')[1] ?? '') });
      }
    }
  }
  return found;
}

for (const file of files) {
  const work = fs.mkdtempSync(path.join(os.tmpdir(), 'descriptor-'));
  const text = fs.readFileSync(path.join(folder, file), 'utf8');
  fs.writeFileSync(path.join(work, 'atlassian-connect.json'), text);
  const port = await freePort(), sandbox = await freePort();
  const child = spawn(binary, { cwd: work, env: { PATH: process.env.PATH, PORT: port, AC_SANDBOX_PORT: sandbox, DATABASE_URL: 'memory:' } });
  let log = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => { log += data; });
  try {
    const listed = await (async () => {
      for (let tries = 0; tries < 200; tries += 1) {
        const answer = await fetch(`http://localhost:${sandbox}/jira`).catch(() => null);
        if (answer?.ok) return [...(await answer.text()).matchAll(/<code>([^<]*)<\/code>/g)].map((match) => match[1].replaceAll('&#38;', '&'));
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      throw new Error(`the sandbox did not open: ${log}`);
    })();
    const wanted = pages(JSON.parse(text));
    const missing = wanted.filter(({ path, parameters }) => !listed.some((url) => {
      const [at, query] = url.split('?');
      if (at !== path) return false;
      const values = new URLSearchParams(query ?? '');
      return !url.includes('{') && [...parameters].every(([name, value]) => values.has(name) && (!value.includes('{') || values.get(name) !== ''));
    }));
    if (missing.length > 0) throw new Error(`not listed, or not filled: ${JSON.stringify(missing)}; listed: ${listed.join(' ')}`);
    passed += 1;
    console.log(`ok      ${file}: ${wanted.length} pages`);
  } catch (error) {
    failed += 1;
    console.log(`FAILED  ${file}: ${error.message}`);
  } finally {
    child.kill();
    fs.rmSync(work, { recursive: true, force: true });
  }
}
console.log(`\n${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
