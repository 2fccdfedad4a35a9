// The sandbox as a newcomer sees it, in a real browser: the given starter is started in a folder of its own, its
// sandbox is opened in Chromium, and the starter's pages are used through the real bridge, npm's atlassian-connect-js.
// Each test fails on any console error, any failed request and any request that leaves this machine, unless it says
// that it expects one.
//
//     npm ci && node run.mjs path/to/atlassian-connect-actix [--only WORDS] [--pictures]
//
// The browser is CHROMIUM, or Debian's /usr/bin/chromium. Screenshots and the starter's log land in target/browser;
// --pictures makes those of the README anew, in docs/.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { leave } from '../leaving.mjs';
import {
  SIZE, accessible, badge, choose, entry, finish, framed, greeting, inFrame, open, output, repository, test,
} from './harness.mjs';
import { scenarios } from './scenarios.mjs';
import { buildShell } from './shell.mjs';
import { Starter, eventually } from './starter.mjs';
import { connect, forge } from './through.mjs';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { only: { type: 'string', default: '' }, pictures: { type: 'boolean', default: false } },
});
const [binary] = positionals;
if (!binary) throw new Error('which binary? node run.mjs path/to/atlassian-connect-actix');
choose(values.only);

buildShell();
const starter = await Starter.start(binary, { log: path.join(output, 'starter.log') });
const SITE = `${starter.url}/jira`;
const HELLO = '/jira/modules/generalPages/hello-world-page';
const HELLO_PAGE = starter.url + HELLO;
const PANEL = `${starter.url}/jira/modules/webPanels/issue-panel`;

// ---- Start ----------------------------------------------------------------------------------------------------------

await test('the sandbox has installed the add-on, and lists its pages', async (page) => {
  await page.goto(SITE);
  await badge(page, 'installed');
  await entry(page, 'POST', '/installed', '204').waitFor();
  for (const name of ['Hello World', 'Hello World settings', 'Issue panel', 'Hello dialog']) {
    await page.getByRole('link', { name }).first().waitFor();
  }
});

await test('the journal shows a request as it happens, with its token decoded', async (page) => {
  await page.goto(SITE);
  const before = await page.locator('#journal-entries > li').count();
  const answer = await fetch(`${starter.addonUrl}/api/session`);
  assert.equal(answer.status, 401);
  const refused = entry(page, '/api/session', '401');
  await refused.waitFor();
  assert.ok((await page.locator('#journal-entries > li').count()) > before);
  assert.match(await refused.locator('.reason').innerText(), /token/i);
  const signed = entry(page, '/installed', '204');
  await signed.locator('summary').click();
  assert.match(await signed.innerText(), /"alg": "RS256"[^]*"iss": "/);
  assert.doesNotMatch(await page.content(), /eyJ[\w-]+\.eyJ[\w-]+\.[\w-]+/, 'no token is on the page');
});

await test('the journal is filtered as one types, keeps its filter over a reload, and is cleared', async (page) => {
  await page.goto(SITE);
  const install = entry(page, 'POST', '/installed', '204').first();
  const enabled = entry(page, 'POST', '/enabled', '204').first();
  await install.waitFor();
  await enabled.waitFor();
  await page.fill('#journal-filter', '/installed POST');
  await enabled.waitFor({ state: 'hidden' });
  assert.ok(await install.isVisible(), 'every word is in it');
  await page.press('#journal-filter', 'Enter');
  assert.ok(await install.isVisible(), 'Enter clears nothing');
  // a request that comes now is sifted, too
  await fetch(`${starter.addonUrl}/api/session`);
  const refused = entry(page, '/api/session', '401').first();
  await refused.waitFor({ state: 'attached' });
  assert.ok(!(await refused.isVisible()));
  await page.reload();
  assert.equal(await page.inputValue('#journal-filter'), '/installed POST');
  await enabled.waitFor({ state: 'hidden' });
  await page.fill('#journal-filter', '');
  await enabled.waitFor();
  await page.click('#journal-clear');
  await page.locator('#journal-empty').waitFor();
  assert.equal(await page.locator('#journal-entries > li').count(), 0);
  await page.reload();
  assert.equal(await entry(page, '/installed').count(), 0, 'it is gone from the sandbox as well');
});

// ---- The same through Connect and through Forge ---------------------------------------------------------------------

// whose tokens die while one looks
const hasty = await Starter.start(binary, { log: path.join(output, 'starter-of-short-tokens.log'), env: { AC_MAX_TOKEN_AGE: '2' } });
for (const through of [connect, forge]) await scenarios(through, { starter, hasty });
await hasty.remove();

await test('one click leads from Connect to Forge, and back', async (page) => {
  await framed(page, `${PANEL}?user=mia`);
  await page.getByRole('link', { name: 'through Forge' }).click();
  await page.waitForURL(`${starter.productUrl}/**`);
  await forge.app(page);
  await greeting(page, 'Mia Member', forge);
  assert.equal(await page.getByRole('link', { name: 'through Forge' }).getAttribute('aria-current'), 'true');
  await page.getByRole('link', { name: 'through Connect' }).click();
  await framed(page);
  await greeting(page, 'Mia Member');
});

await test('an issue of the product has all modules on one page, and they hear each other', async (page) => {
  await page.goto(forge.url(starter, 'webPanels/issue-panel'));
  await page.getByRole('link', { name: 'with the other modules' }).click();
  await page.getByRole('heading', { name: 'All modules of this issue' }).waitFor();
  const nth = (index) => forge.app(page, `#modules > .forge-module:nth-of-type(${index})`);
  const [notes, panel] = [await nth(1), await nth(2)];
  await page.getByRole('heading', { name: 'Issue panel' }).waitFor();
  await notes.evaluate(() => {
    window.heard = new Promise((resolve) => window.AP.events.on('between', resolve));
    return window.AP.getLocation(); // shown: the subscription is there
  });
  await panel.evaluate(() => window.AP.events.emit('between', { a: 1 }));
  assert.deepEqual(await notes.evaluate(() => window.heard), { a: 1 });
});

await test('a panel on Forge follows the height of its content', async (page) => {
  await page.goto(forge.url(starter, 'webPanels/issue-panel'));
  const addon = await forge.app(page);
  const grow = (height) => addon.evaluate((pixels) => {
    const tall = document.getElementById('tall') ?? document.getElementById('content').appendChild(document.createElement('div'));
    Object.assign(tall, { id: 'tall' }).style.height = `${pixels}px`;
  }, height);
  await grow(1500);
  await eventually('the frame has grown', async () => (await forge.height(page)) > 1500);
  await grow(10);
  await eventually('the frame has shrunk', async () => (await forge.height(page)) < 1200);
});

await test('a macro on Forge shows what its editor has saved, which is a dialog with buttons', async (page) => {
  const macro = `${starter.productUrl}/confluence/modules/dynamicContentMacros/hello-macro`;
  await page.goto(`${macro}-editor`);
  const editor = await forge.app(page, 'dialog');
  assert.equal(new URL(editor.url()).searchParams.get('editor'), '1');
  await editor.evaluate(() => {
    window.AP.dialog.getButton('submit').bind(() => {
      window.AP.confluence.saveMacro({ color: 'green' });
      return true;
    });
  });
  await forge.buttons(page).getByRole('button', { name: 'Submit' }).click();
  await page.locator('.flag', { hasText: 'The macro was saved' }).waitFor();
  await page.locator('dialog').waitFor({ state: 'detached' });
  await page.getByRole('button', { name: 'Open Hello macro: editor' }).click();
  const again = await forge.app(page, 'dialog');
  assert.deepEqual(await again.evaluate(() => window.AP.confluence.getMacroData()), { color: 'green' });
  await forge.leave(page);
  await page.locator('dialog').waitFor({ state: 'detached' });
  await page.goto(macro);
  const shown = await forge.app(page);
  assert.deepEqual(await shown.evaluate(() => window.AP.confluence.getMacroData()), { color: 'green' });
  assert.deepEqual(Object.keys(await shown.evaluate(() => window.AP.context.getContext())), ['confluence']);
});

await test('a workflow rule on Forge has a page for each moment, and is saved', async (page) => {
  const rule = `${starter.productUrl}/jira/modules/jiraWorkflowConditions/hello-rule`;
  await page.goto(`${rule}-view`);
  assert.equal(new URL((await forge.app(page)).url()).searchParams.get('rule'), 'view');
  await page.goto(`${rule}-create`);
  const addon = await forge.app(page);
  assert.equal(new URL(addon.url()).searchParams.get('rule'), 'create');
  const save = page.getByRole('button', { name: 'Save the rule' });
  await save.click();
  await page.locator('.flag', { hasText: 'The page offers no configuration' }).waitFor();
  await addon.evaluate(() => window.AP.jira.WorkflowConfiguration.onSave(() => '{"color":"blue"}'));
  // the listener takes its way to the product
  await eventually('the rule is saved', async () => {
    await save.click();
    return page.locator('.flag', { hasText: '{"color":"blue"}' }).isVisible();
  });
});

await test('what the shell may not show is told in the journal', async (page) => {
  await page.goto(forge.url(starter, 'webPanels/issue-panel'));
  const addon = await forge.app(page);
  await leave(addon, () => { location.href = 'http://127.0.0.1:9/elsewhere'; });
  await entry(page, '/violations', '127.0.0.1:9', 'frame-src').waitFor();
}, { expected: [/Content Security Policy|frame-src/] });

await test('without the built shell the page says what to run', async (page) => {
  const log = path.join(output, 'starter-without-shell.log');
  const plain = await Starter.start(binary, { log, shell: false });
  try {
    await page.goto(forge.url(plain, 'generalPages/hello-world-page'));
    await page.getByText('cd forge && npm ci && npm run build').waitFor();
    await accessible(page, 'a page without a shell');
    await page.getByRole('link', { name: 'through Connect' }).click();
    await framed(page);
    await page.goto('about:blank');
  } finally {
    await plain.remove();
  }
}, { options: { bypassCSP: true } });

// ---- The bridge of Connect ----------------------------------------------------------------------------------------------------

await test('a full page fills the window, and follows it', async (page) => {
  await framed(page, HELLO_PAGE);
  const frame = page.locator('#frame iframe.sized-to-parent');
  await frame.waitFor();
  const bottom = async () => (await frame.boundingBox()).y + (await frame.boundingBox()).height;
  const isNear = (value, wanted) => value > wanted - 40 && value <= wanted;
  assert.ok(isNear(await bottom(), SIZE.height), `${await bottom()}`);
  await page.setViewportSize({ width: 1280, height: 1000 });
  await eventually('the frame has grown', async () => isNear(await bottom(), 1000));
});

await test('AP.request reaches nothing but the REST API', async (page) => {
  const addon = await framed(page, PANEL);
  const token = 'jira/context-token?module=adminPages/admin-page&user=ada';
  const outcomes = await addon.evaluate(async (paths) => {
    const outcome = (url) => window.AP.request(url).then(() => 'answered', ({ err, xhr }) => `${xhr.status} ${err}`);
    return Promise.all(paths.map(outcome));
  }, [
    `/../${token}`, `/%2e%2e/${token}`, `/rest/..\\..\\${token}`, `/rest/../../${token}`, `/rest/%2E./.%2e/${token}`,
    '/../globex/rest/api/3/myself', '/context-token', '@localhost/rest/x', '',
  ]);
  for (const outcome of outcomes) assert.equal(outcome, '0 AP.request only calls the REST API of the site.');
  assert.equal((await addon.evaluate(() => window.AP.request('rest/api/3/../3/myself'))).xhr.status, 200);
});

await test('the bridge knows the user, keeps what it is given, and knows the way', async (page) => {
  const addon = await framed(page, PANEL);
  const answer = (call) => addon.evaluate(`new Promise((resolve) => { const { AP } = window; ${call} })`);
  assert.match((await answer('AP.user.getCurrentUser(resolve)')).atlassianAccountId, /ada/);
  assert.equal(await answer('AP.user.getTimeZone(resolve)'), 'Europe/London');
  assert.equal(await answer('AP.user.getLocale(resolve)'), 'en_GB');
  assert.equal(await answer("AP.cookie.save('a', 'b', 1); AP.cookie.read('a', resolve)"), 'b');
  assert.equal(await answer("AP.cookie.erase('a'); AP.cookie.read('a', resolve)"), undefined);
  assert.deepEqual(await answer("AP.events.on('mine', resolve); AP.events.emit('mine', { a: 1 })"), { a: 1 });
  assert.equal((await answer('AP.navigator.getLocation(resolve)')).context.moduleKey, 'issue-panel');
  assert.equal(await answer('AP.getLocation(resolve)'), page.url());
  const pushed = "AP.history.pushState('one'); AP.history.pushState('two');";
  const back = "AP.history.getState('hash', () => AP.history.back());";
  assert.equal(await answer(`AP.history.popState((event) => resolve(event.hash)); ${pushed} ${back}`), 'one');
  const loaded = page.waitForEvent('load');
  await leave(addon, () => { window.AP.navigator.reload(); });
  await loaded;
  const again = await framed(page);
  await leave(again, () => { window.AP.navigator.go('addonModule', { moduleKey: 'hello-world-page' }); });
  await page.waitForURL(/generalPages\/hello-world-page/);
}, { options: { bypassCSP: true } }); // the calls are texts, for brevity

// ---- Sites, users, licences, themes ---------------------------------------------------------------------------------

await test('a webhook fired from the page reaches the add-on', async (page) => {
  await page.goto(SITE);
  await page.locator('summary', { hasText: 'jira:issue_created' }).click();
  const body = page.locator('details[open]').getByLabel('Body');
  const text = await body.inputValue();
  assert.equal(JSON.parse(text).webhookEvent, 'jira:issue_created');
  await body.fill(text.slice(1));
  assert.equal(await body.evaluate((field) => field.checkValidity()), false, 'the form reports text that is not JSON');
  await body.fill(text);
  await page.getByRole('button', { name: 'Send' }).click();
  await page.locator('.news.good').waitFor();
  await entry(page, 'POST', '/webhook/issue-created', '204').waitFor();
});

await test('Forge invokes an endpoint, and what cannot be sent is kept', async (page) => {
  await page.goto(SITE);
  const form = page.locator('#invocation-page');
  await form.locator('summary').click();
  const claims = form.getByLabel('Claims');
  await claims.fill('{');
  assert.equal(await claims.evaluate((field) => field.checkValidity()), false, 'the form reports text that is not JSON');
  await claims.fill('[]');
  await form.getByRole('button', { name: 'Invoke' }).click();
  await form.locator('.news.bad', { hasText: 'Not sent' }).waitFor();
  assert.equal(await claims.inputValue(), '[]');
  await accessible(page, 'an invocation that was not sent');
  await claims.fill('{ "context": { "extension": { "issue": { "key": "JRA-2" } } } }');
  await form.getByRole('button', { name: 'Invoke' }).click();
  await form.locator('.news.good').waitFor();
  const answer = JSON.parse(await form.locator('.answer').innerText());
  assert.equal(answer.accountId, '557058:sandbox-ada');
  assert.equal(answer.context.extension.issue.key, 'JRA-2');
  assert.equal(answer.connect.clientKey, 'sandbox-jira');
  await page.getByRole('button', { name: "Rotate Forge's key" }).click();
  await page.locator('#main > .news.good').waitFor();
  await page.locator('#invocation-schedule summary').click();
  await page.locator('#invocation-schedule').getByRole('button', { name: 'Invoke' }).click();
  await page.locator('#invocation-schedule .news.good').waitFor();
  await entry(page, 'POST', '/forge/events', '204').waitFor();
});

await test('uninstalled, the page is locked; installed again, it opens', async (page) => {
  await page.goto(SITE);
  await page.getByRole('button', { name: 'Uninstall' }).click();
  await badge(page, 'not installed');
  await page.goto(HELLO_PAGE);
  await inFrame(page).getByRole('heading', { name: 'Not authenticated' }).waitFor();
  const refused = entry(page, 'GET', '/hello-world', '401');
  await refused.waitFor();
  assert.notEqual((await refused.locator('.reason').innerText()).trim(), '', 'the reason is shown');
  await page.goto(SITE);
  await page.getByRole('button', { name: 'Install', exact: true }).click();
  await badge(page, 'installed');
  await framed(page, HELLO_PAGE);
  await greeting(page, 'Ada Admin');
  await page.goto(SITE);
  await page.getByRole('button', { name: 'Install again' }).click();
  await entry(page, '/installed', '204').waitFor();
  await framed(page, HELLO_PAGE);
  await greeting(page, 'Ada Admin');
}, { expected: [/401 \(Unauthorized\).*hello-world/] });

await test('without a choice the theme is the one of the system, and follows it', async (page) => {
  await page.emulateMedia({ colorScheme: 'dark' });
  const addon = await framed(page, HELLO_PAGE);
  const mode = (place) => place.evaluate(() => document.documentElement.dataset.colorMode);
  await eventually('the frame is dark', async () => (await mode(page)) === 'dark' && (await mode(addon)) === 'dark');
  await page.emulateMedia({ colorScheme: 'light' });
  await eventually('the frame is light', async () => (await mode(page)) === 'light' && (await mode(addon)) === 'light');
  await page.selectOption('select[name=theme]', 'dark');
  await eventually('the choice counts', async () => (await mode(page)) === 'dark');
  await page.emulateMedia({ colorScheme: 'light' });
  assert.equal(await mode(page), 'dark', 'the system no longer counts');
});

await test('a site whose displayUrl is not its baseUrl frames the page', async (page) => {
  await page.goto(`${starter.otherUrl}/globex`);
  await page.getByRole('button', { name: 'Install', exact: true }).click();
  await badge(page, 'installed');
  await page.getByRole('link', { name: /^Hello World \// }).click();
  assert.equal(new URL(page.url()).hostname, '127.0.0.1');
  const addon = await framed(page);
  await greeting(page, 'Ada Admin');
  const myself = await addon.evaluate(() => window.AP.request('/rest/api/3/myself'));
  assert.equal(JSON.parse(myself.body).displayName, 'Ada Admin');
  const shown = await addon.evaluate(() => document.querySelector('dd').textContent);
  assert.equal(shown, `${starter.url}/globex`, 'the add-on goes by the base URL');
});

await test('a page of Jira opens in Confluence too, where the descriptor says so', async (page) => {
  await page.goto(`${starter.url}/confluence`);
  await page.getByRole('button', { name: 'Install', exact: true }).click();
  await badge(page, 'installed');
  await page.getByRole('link', { name: /^Hello World \// }).click();
  const addon = await framed(page);
  assert.equal(await addon.evaluate(() => document.querySelector('dd').textContent), `${starter.url}/confluence/wiki`);
});

// ---- For everyone ---------------------------------------------------------------------------------------------------

await test('a module is reached and opened by keyboard alone', async (page) => {
  await page.goto(SITE);
  const focused = () => page.evaluate(() => {
    const { activeElement: element } = document;
    const { outlineStyle, outlineWidth } = getComputedStyle(element);
    return { text: element.textContent.trim(), isVisible: outlineStyle !== 'none' && outlineWidth !== '0px' };
  });
  await page.keyboard.press('Tab');
  assert.match((await focused()).text, /^Skip/);
  await page.keyboard.press('Enter');
  for (let step = 0; !(await focused()).text.startsWith('Hello World'); step += 1) {
    assert.ok(step < 20, 'it is not far from the start of the page');
    await page.keyboard.press('Tab');
  }
  assert.ok((await focused()).isVisible, 'the focus is seen');
  await page.keyboard.press('Enter');
  await page.waitForURL(/hello-world-page/);
  await framed(page);
});

await test('axe finds nothing on the list of pages, in either theme and at any width', async (page) => {
  for (const theme of ['light', 'dark']) {
    for (const width of [360, 1280]) {
      const where = `${theme}, ${width}`;
      await page.setViewportSize({ width, height: 800 });
      await page.goto(`${SITE}?theme=${theme}`);
      await page.locator('summary', { hasText: 'jira:issue_created' }).click();
      await page.locator('#journal-entries summary').first().click();
      await accessible(page, `site, ${where}`);
      const overflow = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
      assert.ok(overflow <= 0, `${where} scrolls sideways`);
    }
  }
}, { options: { bypassCSP: true } }); // axe comes from outside

await test('without the bridge the page is shown all the same', async () => {
  const log = path.join(output, 'starter-without-bridge.log');
  const plain = await Starter.start(binary, { log, bridge: false });
  try {
    const away = await open();
    await away.page.route(/jsdelivr|atl-paas/, (route) => route.abort());
    await away.page.goto(plain.url + HELLO);
    await greeting(away.page, 'Ada Admin');
    await away.page.locator('#bridge-missing').waitFor();
    const other = away.problems.filter((problem) => !/jsdelivr|atl-paas/.test(problem));
    assert.deepEqual(other, []);
    await away.context.close();

    // as if the CDN answered: the pinned checksum is the package's
    const dist = path.join(import.meta.dirname, 'node_modules/atlassian-connect-js/dist');
    const online = await open();
    const headers = { 'Access-Control-Allow-Origin': '*' };
    const script = (file) => (route) =>
      route.fulfill({ body: fs.readFileSync(path.join(dist, file)), contentType: 'text/javascript', headers });
    await online.page.route(/jsdelivr.*connect-host\.js/, script('connect-host.js'));
    await online.page.route(/atl-paas\.net\/all\.js/, script('iframe.js'));
    await online.page.route(/atl-paas\.net\/.*\.css/, (route) => route.fulfill({ body: '', contentType: 'text/css' }));
    await online.page.goto(plain.url + HELLO);
    await online.page.waitForSelector('#frame iframe[data-bridge=established]');
    await greeting(online.page, 'Ada Admin');
    const others = online.problems.filter((problem) => !/^left this machine: .*(jsdelivr|atl-paas)/.test(problem));
    assert.deepEqual(others, []);
    await online.context.close();
  } finally {
    await plain.remove();
  }
});

await test('the page comes back by itself when the add-on does', async (page) => {
  await framed(page, PANEL);
  await greeting(page, 'Ada Admin');
  await page.evaluate(() => { window.isOld = true; });
  await page.locator('select[name=user]').evaluate((select) => { select.id = 'user-select'; select.focus(); });
  await starter.stop();
  await page.locator('#addon-state', { hasText: 'does not answer' }).waitFor();
  await starter.run();
  await eventually('a new page', () => page.evaluate(() => !window.isOld));
  await framed(page);
  await greeting(page, 'Ada Admin');
}, { expected: [/\/events/, /ERR_CONNECTION_REFUSED/] });

/** A picture of a page, once `prepare` has seen to it. */
async function picture(url, prepare, { viewport = { width: 1280, height: 720 }, file } = {}) {
  const { page, context } = await open({ viewport });
  await page.goto(url);
  await prepare(page);
  const bytes = await page.screenshot({ path: file, animations: 'disabled' });
  await context.close();
  return bytes;
}

const docs = (name) => path.join(repository, 'docs', `${name}.png`);

/** The README's pictures. */
const paint = (name, url, { prepare }) => picture(url, prepare, { file: docs(name) });

/** The same page through Connect and through Forge, side by side. */
async function paintBoth(name, starter, module) {
  const viewport = { width: 640, height: 900 };
  const height = 640; // of which this much is shown
  const shown = [];
  for (const through of [connect, forge]) {
    const prepare = async (page) => {
      await through.app(page);
      await greeting(page, 'Ada Admin', through);
      await page.evaluate(() => document.querySelector('nav.crumbs').scrollIntoView());
    };
    const bytes = await picture(through.url(starter, module), prepare, { viewport });
    shown.push(`<figure><figcaption>through ${through.name}</figcaption><img src="data:image/png;base64,${bytes.toString('base64')}"></figure>`);
  }
  const { page, context } = await open({ viewport: { width: 2 * viewport.width + 48, height: height + 64 } });
  await page.setContent(`<!doctype html><style>
    body { display: flex; gap: 16px; margin: 0; padding: 16px; background: #dcdfe4; font: bold 16px sans-serif }
    figure { margin: 0 } figcaption { padding-bottom: 8px } img { display: block; width: ${viewport.width}px; height: ${height}px; object-fit: cover; object-position: top }
  </style>${shown.join('')}`);
  await page.evaluate(() => Promise.all([...document.images].map((image) => image.decode())));
  await page.screenshot({ path: docs(name), animations: 'disabled' });
  await context.close();
}

if (values.pictures) {
  fs.mkdirSync(path.join(repository, 'docs'), { recursive: true });
  // of a sandbox that has nothing behind it, at the ports of a newcomer
  await starter.remove();
  const log = path.join(output, 'starter-of-pictures.log');
  const fresh = await Starter.start(binary, { log, extras: false, port: 3000 });
  await paint('sandbox', fresh.url + HELLO, {
    async prepare(page) {
      await framed(page);
      await greeting(page, 'Ada Admin');
      await entry(page, '/api/me', '200').waitFor();
    },
  });
  await paint('sandbox-journal', `${fresh.url}/jira?theme=dark`, {
    async prepare(page) {
      const signed = entry(page, 'GET', '/hello-world', '200');
      await signed.locator('summary').click();
      await signed.evaluate((element) => { document.getElementById('journal').scrollTop = element.offsetTop; });
    },
  });
  await paintBoth('sandbox-both', fresh, 'generalPages/hello-world-page');
  await fresh.remove();
} else {
  await starter.remove();
}

await finish();
