// What the tests share: the browser, a page that remembers everything that went wrong on it, and the words for what is
// on the sandbox's pages.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { chromium } from 'playwright-core';
import { connect } from './through.mjs';

export const repository = path.resolve(import.meta.dirname, '../..');
/** Where screenshots and logs go. */
export const output = path.join(repository, 'target/browser');
export const SIZE = { width: 1280, height: 800 };

fs.rmSync(output, { recursive: true, force: true });
fs.mkdirSync(output, { recursive: true });
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-dev-shm-usage'],
});
const counts = { passed: 0, failed: 0 };
let only = '';

/** Runs only the tests that have these words in their name. */
export function choose(words) {
  only = words;
}

/** Without the tokens and parameters of its query. */
const bare = (url) => url.split('?')[0];

/** A page that remembers everything that went wrong on it. */
export async function open(options = {}) {
  const context = await browser.newContext({ viewport: SIZE, ...options });
  context.setDefaultTimeout(15_000);
  const page = await context.newPage();
  const problems = [];
  page.on('console', (message) => {
    if (message.type() === 'error') problems.push(`console: ${message.text()} (${bare(message.location().url)})`);
  });
  page.on('pageerror', (error) => problems.push(`error: ${error.message}`));
  page.on('requestfailed', (request) => {
    // aborted: the test has left the page
    const reason = request.failure().errorText;
    if (reason !== 'net::ERR_ABORTED') problems.push(`failed: ${bare(request.url())} ${reason}`);
  });
  page.on('request', (request) => {
    const { hostname, protocol } = new URL(request.url());
    const isLocal = ['localhost', '127.0.0.1'].includes(hostname) || hostname.endsWith('.localhost');
    const isHere = isLocal || ['data:', 'blob:', 'about:'].includes(protocol);
    if (!isHere) problems.push(`left this machine: ${bare(request.url())}`);
  });
  return { context, page, problems };
}

/** One test. `expected`: what may go wrong on its page, as patterns. */
export async function test(name, body, { expected = [], options } = {}) {
  if (only && !name.includes(only)) return;
  const { context, page, problems } = await open(options);
  try {
    await body(page);
    assert.deepEqual(problems.filter((problem) => !expected.some((pattern) => pattern.test(problem))), []);
    console.log(`ok      ${name}`);
    counts.passed += 1;
  } catch (error) {
    counts.failed += 1;
    console.log([`FAILED  ${name}`, error.stack, ...problems].join('\n'));
  } finally {
    const picture = path.join(output, `${name.replaceAll(/[^a-zA-Z0-9]+/g, '-')}.png`);
    await page.screenshot({ path: picture }).catch(() => {}); // of a page that is no more there is none
    await context.close();
  }
}

/** Prints the line that a script can count, and sets the exit code. */
export async function finish() {
  await browser.close();
  console.log(`\n${counts.passed} passed, ${counts.failed} failed`);
  process.exitCode = counts.failed || !counts.passed ? 1 : 0;
}

/** The add-on's page through Connect, at `url` of the sandbox's own pages, once it has spoken with the bridge. */
export async function framed(page, url) {
  if (url) await page.goto(url);
  return connect.app(page);
}

/** In the frame, with the bridge or without it. */
export const inFrame = (page) => connect.inFrame(page);

export const greeting = (page, name, through = connect) => through.inFrame(page).locator('#user', { hasText: name }).waitFor();

export const badge = (page, text) => page.locator('.badge').getByText(text, { exact: true }).waitFor();

/** The newest journal entry that holds all of the words. */
export const entry = (page, ...words) =>
  words.reduce((found, word) => found.filter({ hasText: word }), page.locator('#journal-entries > li')).first();

/**
 * axe finds nothing in a page or a frame. It comes from outside: the page's context needs `bypassCSP`. `hasHeading`: false
 * for a frame that is nothing but a holder of another one.
 */
export async function accessible(target, where, { hasHeading = true } = {}) {
  await target.evaluate(fs.readFileSync(path.join(import.meta.dirname, 'node_modules/axe-core/axe.min.js'), 'utf8'));
  const options = { iframes: false, preload: false, rules: { 'page-has-heading-one': { enabled: hasHeading } } };
  const { violations, passes } = await target.evaluate((given) => window.axe.run(document, given), options);
  assert.ok(passes.length > 5, `${where}: axe has looked at ${passes.length} rules`);
  const found = violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.target.join(' ')).join(', ')}`);
  assert.deepEqual(found, [], where);
}
