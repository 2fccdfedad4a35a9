// What the tests share: the browser, polling with a deadline, and the words for what is on the pages.
import assert from 'node:assert/strict';
import { chromium } from 'playwright-core';
import { reset, world } from './world.mjs';

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-dev-shm-usage'],
});
const counts = { passed: 0, failed: 0 };
const [, only = ''] = process.argv.slice(2);

/** One test, in a browser profile of its own. Errors in the console fail it, but for those that are `expected`. */
export async function test(name, body, { expected = [] } = {}) {
  if (!name.includes(only)) return;
  reset();
  const context = await browser.newContext();
  context.setDefaultTimeout(10_000);
  const page = await context.newPage();
  const said = [];
  const start = performance.now();
  page.on('console', (message) => {
    if (message.type() !== 'info') said.push(`${message.type()}: ${message.text()}`);
  });
  page.on('request', (request) => {
    const { hostname, protocol } = new URL(request.url());
    if (protocol.startsWith('http') && !hostname.endsWith('localhost')) said.push(`error: ${hostname} is not on this machine`);
  });
  page.on('pageerror', (error) => said.push(`error: ${error.message}`));
  try {
    await Promise.race([body(page, said), late()]);
    const problems = said.filter((line) => line.startsWith('error:') && !expected.some((pattern) => pattern.test(line)));
    assert.deepEqual(problems, []);
    counts.passed += 1;
    console.log(`ok      ${name} (${((performance.now() - start) / 1000).toFixed(1)} s)`);
  } catch (error) {
    counts.failed += 1;
    console.log([`FAILED  ${name}`, error.stack, ...said].join('\n'));
  } finally {
    await context.close();
  }
}

const late = () => new Promise((_, reject) => {
  setTimeout(() => reject(new Error('The test has taken too long.')), 40_000).unref();
});

export async function finish() {
  await browser.close();
  world.close();
  return counts;
}

/** What `look` finds as soon as it is something. */
export async function until(look, what = String(look)) {
  const deadline = Date.now() + 12_000;
  for (;;) {
    const found = await Promise.resolve().then(look).catch(() => null);
    if (found) return found;
    if (Date.now() > deadline) throw new Error(`It never came to this: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** The product with these modules. Every operation of the bridge is noted in `window.ops`. */
export async function openProduct(page, keys, query = {}) {
  await page.addInitScript(() => {
    if (window !== window.top) return;
    window.ops = [];
    window.held = new Set();
    const bare = (value) => JSON.parse(JSON.stringify(value ?? null, (_, item) => (typeof item === 'function' ? '<function>' : item)));
    document.addEventListener('forge:op', (event) => {
      const { localId, op, payload } = event.detail;
      window.ops.push({ localId, op, payload: bare(payload) });
      if (window.held.has(op)) event.preventDefault();
    });
  });
  await page.goto(`${world.product}/?${new URLSearchParams({ modules: keys, ...query })}`);
}

export const ops = (page, op) => page.evaluate((name) => window.ops.filter((one) => !name || one.op === name), op);
export const lastOp = async (page, op) => (await ops(page, op)).at(-1)?.payload;

/** The app's page of this module, once it has got its port. */
export async function appPage(page, path = '/panel') {
  const frame = await until(() => page.frames().find((one) => isAt(one, path)), `a page at ${path}`);
  await until(() => frame.evaluate(async () => Boolean(await window.AP.getLocation())), `AP at ${path}`);
  return frame;
}

export const isAt = (frame, path) => frame.url().startsWith(`${world.backend}${path}`);

/** The product with one module, and the app's page in it. */
export async function openApp(page, key = 'panel', query = {}) {
  await openProduct(page, key, query);
  return appPage(page, `${query.base ?? ''}/${key}`);
}

export const shellFrame = (page) => until(() => page.frames().find((frame) => frame.url().startsWith(world.shell)), 'the shell');

/** From now on the frame notes the messages that it gets; a test that waits for one knows that earlier ones have come. */
export async function watchMessages(frame) {
  await frame.evaluate(() => {
    window.heard = [];
    window.addEventListener('message', ({ origin, data }) => window.heard.push({ origin, data }));
  });
  return () => frame.evaluate(() => window.heard);
}

/** The error of a promise in the frame. */
export const failure = (frame, run, argument) => frame.evaluate(run, argument).then(
  () => { throw new Error('This was to fail.'); },
  (error) => error.message,
);

export const codeOf = (element, property) => element.evaluate((node, name) => getComputedStyle(node)[name], property);
