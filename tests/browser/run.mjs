// The sandbox as a newcomer sees it, in a real browser: the given starter is started in a folder of its own, its
// sandbox is opened in Chromium, and the starter's pages are used through the real bridge, npm's atlassian-connect-js.
// Each test fails on any console error, any failed request and any request that leaves this machine, unless it says
// that it expects one.
//
//     npm ci && node run.mjs path/to/atlassian-connect-actix [--only WORDS] [--pictures]
//
// The browser is CHROMIUM, or Debian's /usr/bin/chromium. Screenshots and the starter's log land in target/browser;
// --pictures makes the two of the README anew, in docs/.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import {
  SIZE, accessible, badge, choose, entry, finish, framed, greeting, inFrame, open, output, repository, test,
} from './harness.mjs';
import { Starter, eventually } from './starter.mjs';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { only: { type: 'string', default: '' }, pictures: { type: 'boolean', default: false } },
});
const [binary] = positionals;
if (!binary) throw new Error('which binary? node run.mjs path/to/atlassian-connect-actix');
choose(values.only);

const starter = await Starter.start(binary, { log: path.join(output, 'starter.log') });
const SITE = `${starter.url}/jira`;
const HELLO = '/jira/modules/generalPages/hello-world-page';
const HELLO_PAGE = starter.url + HELLO;
const ADMIN_PAGE = `${starter.url}/jira/modules/adminPages/admin-page`;
const PANEL = `${starter.url}/jira/modules/webPanels/issue-panel`;
const NOTES = `${starter.url}/jira/modules/webPanels/issue-notes`;

// ---- Start ----------------------------------------------------------------------------------------------------------

await test('the sandbox has installed the add-on, and lists its pages', async (page) => {
  await page.goto(SITE);
  await badge(page, 'installed');
  await entry(page, 'POST', '/installed', '204').waitFor();
  for (const name of ['Hello World', 'Hello World settings', 'Issue panel', 'Hello dialog']) {
    await page.getByRole('link', { name }).first().waitFor();
  }
});

await test('the hello page greets the user by name, inside the frame', async (page) => {
  await framed(page, starter.url);
  assert.equal(new URL(page.url()).pathname, HELLO, 'the printed URL leads to the first page');
  await greeting(page, 'Ada Admin');
  await entry(page, 'GET', '/hello-world', '200').waitFor();
  await entry(page, 'GET', '/rest/api/3/myself', '200').waitFor();
  await page.selectOption('select[name=user]', { label: 'Mia Member' });
  await page.waitForURL(/user=mia/);
  await framed(page);
  await greeting(page, 'Mia Member');
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

// ---- The bridge -----------------------------------------------------------------------------------------------------

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

await test('AP.resize gives a panel its size', async (page) => {
  const addon = await framed(page, PANEL);
  await addon.evaluate(() => window.AP.resize('420px', '345'));
  await eventually('the new size', () =>
    addon.evaluate(() => window.innerWidth === 420 && window.innerHeight === 345));
});

await test('a context token opens the add-on, and says where the page is', async (page) => {
  const addon = await framed(page, PANEL);
  const token = await addon.evaluate(() => window.AP.context.getToken());
  const session = await addon.evaluate(async (jwt) => {
    const response = await fetch('/api/session', { headers: { Authorization: `JWT ${jwt}` } });
    return { status: response.status, body: await response.json() };
  }, token);
  assert.equal(session.status, 200);
  assert.equal(session.body.clientKey, 'sandbox-jira');
  assert.match(session.body.userAccountId, /ada/);
  const context = await addon.evaluate(() => window.AP.context.getContext());
  assert.match(context.issue.key, /^[A-Z]+-\d+$/);
  assert.equal(session.body.context.jira.issue.key, context.issue.key, 'as the token has it');
});

await test('AP.request reaches the REST API as the user, by promise and by callback', async (page) => {
  const addon = await framed(page, PANEL);
  const [promised, called, missing, refused] = await addon.evaluate(async () => {
    const { AP } = window;
    const outcome = (url) => AP.request(url).then(({ xhr }) => xhr.status, ({ xhr, err }) => [xhr.status, typeof err]);
    return [
      await AP.request('/rest/api/3/myself'),
      await new Promise((resolve) => AP.request({
        url: '/rest/api/3/myself',
        success: (body, status, xhr) => resolve([JSON.parse(body), status, xhr.getResponseHeader('Content-Type')]),
      })),
      await outcome('/rest/api/3/issue/NONE-1'),
      await new Promise((resolve) => AP.request('/rest/api/3/issue/NONE-1', {
        error: (xhr, status, thrown) => resolve([xhr.status, status, typeof thrown]),
      })),
    ];
  });
  assert.equal(promised.xhr.status, 200);
  assert.equal(JSON.parse(promised.body).displayName, 'Ada Admin');
  assert.deepEqual([called[0].displayName, called[1]], ['Ada Admin', 'success']);
  assert.match(called[2], /^application\/json/);
  assert.deepEqual(missing, [404, 'string']);
  assert.deepEqual(refused, [404, 'error', 'string']);
  await entry(page, '/rest/api/3/issue/NONE-1', '404').waitFor();
  const created = await addon.evaluate(async () => {
    const [project] = JSON.parse((await window.AP.request('/rest/api/3/project/search')).body).values;
    const fields = { summary: 'By the bridge', project: { key: project.key }, issuetype: { name: 'Task' } };
    const answer = await window.AP.request({
      url: '/rest/api/3/issue', type: 'POST', contentType: 'application/json', data: JSON.stringify({ fields }),
    });
    const url = `/rest/api/3/issue/${JSON.parse(answer.body).key}`;
    const issue = await window.AP.request(url, { data: { fields: 'summary' } });
    return [answer.xhr.status, JSON.parse(issue.body).fields.summary];
  });
  assert.deepEqual(created, [201, 'By the bridge']);
}, { expected: [/404 \(Not Found\).*NONE-1/] });

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
  for (const outcome of outcomes) assert.equal(outcome, '0 AP.request is for the REST API of the site.');
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
  await addon.evaluate(() => window.AP.navigator.reload());
  await loaded;
  const again = await framed(page);
  await again.evaluate(() => window.AP.navigator.go('addonModule', { moduleKey: 'hello-world-page' }));
  await page.waitForURL(/generalPages\/hello-world-page/);
}, { options: { bypassCSP: true } }); // the calls are texts, for brevity

await test('a dialog shows a module, hands over data and closes with an answer', async (page) => {
  const addon = await framed(page, PANEL);
  const closed = addon.evaluate(() => new Promise((resolve) => {
    window.AP.events.once('dialog.close', resolve);
    const buttons = [{ text: 'More', identifier: 'more' }];
    const customData = { a: 1 };
    window.AP.dialog.create({ key: 'hello-dialog', chrome: true, header: 'A <b>dialog</b>', customData, buttons });
  }));
  const dialog = await framed(page, null, 'dialog');
  await page.getByRole('heading', { name: 'A <b>dialog</b>', exact: true }).waitFor();
  const given = await dialog.evaluate(() => new Promise((resolve) => window.AP.dialog.getCustomData(resolve)));
  assert.deepEqual(given, { a: 1 });
  const pressed = dialog.evaluate(() => new Promise((resolve) => {
    window.AP.events.on('dialog.button.click', resolve);
    window.AP.dialog.createButton({ text: 'Ready', identifier: 'ready' }); // shown: the listener is there
  }));
  await page.getByRole('button', { name: 'Ready' }).waitFor();
  await page.getByRole('button', { name: 'More' }).click();
  assert.equal((await pressed).button.identifier, 'more');
  await dialog.evaluate(() => window.AP.dialog.getButton('submit').disable());
  await page.locator('dialog button[data-identifier=submit]:disabled').waitFor();
  await dialog.evaluate(() => window.AP.dialog.close({ done: true }));
  assert.deepEqual(await closed, { done: true });
  await page.locator('dialog').waitFor({ state: 'detached' });

  await addon.evaluate(() => window.AP.dialog.create({ key: 'hello-dialog' }));
  await framed(page, null, 'dialog');
  await page.frameLocator('dialog iframe').locator('h1').click();
  await page.keyboard.press('Escape');
  await page.locator('dialog').waitFor({ state: 'detached' });

  await addon.evaluate(() => window.AP.dialog.create({ key: 'none-such', chrome: true }));
  assert.match(await page.locator('dialog [role=alert]').innerText(), /none-such/);
}, { expected: [/404 \(Not Found\).*none-such/] });

await test('a flag is shown as text, acts and closes', async (page) => {
  const addon = await framed(page, PANEL);
  const acted = addon.evaluate(() => new Promise((resolve) => {
    window.AP.events.on('flag.action', resolve);
    const actions = { undo: 'Undo' };
    const flag = window.AP.flag.create({ title: 'Saved', body: '<b>All</b> of it', type: 'success', actions });
    window.AP.events.on('flag.action', () => flag.close());
  }));
  await page.locator('.flag.success', { hasText: '<b>All</b> of it' }).waitFor();
  await page.getByRole('button', { name: 'Undo' }).click();
  assert.equal((await acted).actionIdentifier, 'undo');
  await page.locator('.flag').waitFor({ state: 'detached' });
});

// ---- Sites, users, licences, themes ---------------------------------------------------------------------------------

await test('a webhook fired from the page reaches the add-on', async (page) => {
  await page.goto(SITE);
  await page.locator('summary', { hasText: 'jira:issue_created' }).click();
  const body = page.locator('details[open]').getByLabel('Body');
  const text = await body.inputValue();
  assert.equal(JSON.parse(text).webhookEvent, 'jira:issue_created');
  await body.fill(text.slice(1));
  assert.equal(await body.evaluate((field) => field.checkValidity()), false, 'what is no JSON is said to be so');
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
  assert.equal(await claims.evaluate((field) => field.checkValidity()), false, 'what is no JSON is said to be so');
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

await test('the dark theme reaches the frame, at once and when it changes', async (page) => {
  const isDark = (addon) => addon.evaluate(() => {
    const [red, green, blue] = getComputedStyle(document.body).backgroundColor.match(/\d+/g).map(Number);
    return document.documentElement.dataset.colorMode === 'dark' && red + green + blue < 200;
  });
  const addon = await framed(page, `${HELLO_PAGE}?theme=dark`);
  await eventually('the frame is dark', () => isDark(addon));
  await greeting(page, 'Ada Admin');
  await page.selectOption('select[name=theme]', 'light');
  await eventually('the frame is light', async () => !(await isDark(addon)));
  assert.match(page.url(), /theme=light/);
  await page.selectOption('select[name=theme]', 'dark');
  await eventually('the frame is dark again', () => isDark(addon));
  assert.equal(await page.evaluate(() => getComputedStyle(document.body).backgroundColor), 'rgb(29, 33, 37)');
});

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

await test('nobody is logged in', async (page) => {
  const addon = await framed(page, `${HELLO_PAGE}?user=anonymous`);
  await inFrame(page).getByText('nobody is logged in', { exact: true }).waitFor();
  const user = await addon.evaluate(() => new Promise((resolve) => window.AP.user.getCurrentUser(resolve)));
  assert.equal(user.atlassianAccountId, undefined);
  await inFrame(page).locator('#user', { hasText: 'nobody is logged in' }).waitFor();
}, { expected: [/\b(401|403|400)\b.*(api\/me|myself)/] });

await test('a member who is no administrator is kept out of the settings', async (page) => {
  await page.goto(`${ADMIN_PAGE}?user=mia`);
  await inFrame(page).getByRole('heading', { name: 'Not permitted' }).waitFor();
  await framed(page, `${ADMIN_PAGE}?user=ada`);
  await inFrame(page).getByRole('heading', { name: 'Settings' }).waitFor();
}, { expected: [/403 \(Forbidden\).*admin/] });

await test('settings are saved, greet everybody, and are there after a reload', async (page) => {
  await framed(page, ADMIN_PAGE);
  const field = inFrame(page).getByLabel('Greeting');
  assert.equal(await field.inputValue(), 'Hello', 'the default of an install');
  await field.fill('Grüezi <b>');
  await inFrame(page).getByRole('button', { name: 'Save' }).click();
  await inFrame(page).getByRole('status').getByText('Saved.').waitFor();
  // what does not fit says why, and keeps what was typed; the browser itself would not send it
  await field.evaluate((element) => element.removeAttribute('required'));
  await field.fill(' ');
  await inFrame(page).getByRole('button', { name: 'Save' }).click();
  await inFrame(page).getByRole('alert').getByText('Write a greeting.').waitFor();
  await framed(page, ADMIN_PAGE);
  assert.equal(await inFrame(page).getByLabel('Greeting').inputValue(), 'Grüezi <b>');
  await framed(page, `${HELLO_PAGE}?user=mia`);
  await inFrame(page).getByRole('heading', { name: 'Grüezi <b>, Mia Member' }).waitFor();
}, { expected: [/422/] });

await test('a note is added, edited and deleted, and seen by others', async (page) => {
  const note = () => inFrame(page).locator('.notes .card');
  const shows = (text) => note().locator('.note', { hasText: text }).waitFor();
  await framed(page, NOTES);
  await inFrame(page).getByText('There are no notes yet.').waitFor();
  await inFrame(page).getByLabel('New note').fill('first <note> ☃');
  await inFrame(page).getByRole('button', { name: 'Add' }).click();
  await shows('first <note> ☃');
  await note().getByText('Edit').click();
  await note().getByLabel('The note', { exact: true }).fill('second');
  await note().getByRole('button', { name: 'Save' }).click();
  await shows('second');
  // what was sent is nowhere on the way back
  await page.goBack();
  await page.goForward();
  await framed(page, NOTES);
  await shows('second');
  assert.equal(await note().count(), 1);

  await framed(page, `${NOTES}?user=mia`);
  await shows('second');
  assert.equal(await note().getByRole('button').count(), 0, 'neither edits nor deletes what another wrote');
  await inFrame(page).getByLabel('New note').fill('of Mia');
  await inFrame(page).getByRole('button', { name: 'Add' }).click();
  await shows('of Mia');

  // an administrator deletes both
  await framed(page, `${NOTES}?user=ada`);
  for (const text of ['of Mia', 'second']) {
    await inFrame(page).getByRole('button', { name: `Delete the note: ${text}` }).click();
    await note().locator('.note', { hasText: text }).waitFor({ state: 'detached' });
  }
  await inFrame(page).getByText('There are no notes yet.').waitFor();
});

await test('a form that cannot be sent keeps what was typed, and goes on', async (page) => {
  await framed(page, NOTES);
  await page.route('**/issue-notes', (route) => route.fulfill({ status: 503, body: '<p id="message">Away.</p>' }));
  const field = inFrame(page).getByLabel('New note');
  await field.fill('kept');
  await inFrame(page).getByRole('button', { name: 'Add' }).click();
  await inFrame(page).getByRole('alert').getByText('Away.').waitFor();
  assert.equal(await field.inputValue(), 'kept');
  await page.unroute('**/issue-notes');
  await inFrame(page).getByRole('button', { name: 'Add' }).click();
  await inFrame(page).locator('.notes .note', { hasText: 'kept' }).waitFor();
  await inFrame(page).getByRole('button', { name: /^Delete/ }).click();
  await inFrame(page).getByText('There are no notes yet.').waitFor();
}, { expected: [/503/] });

await test('the page hears of the licence', async (page) => {
  const license = async (value) => {
    const addon = await framed(page, `${HELLO_PAGE}?license=${value}`);
    return addon.evaluate(() => JSON.parse(document.getElementById('connect-context').textContent).license);
  };
  assert.equal(await license('active'), 'active');
  assert.equal(await license('none'), 'none');
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

await test('axe finds nothing on the pages and in the frame, in either theme and at any width', async (page) => {
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
      const addon = await framed(page, `${HELLO_PAGE}?theme=${theme}`);
      await greeting(page, 'Ada Admin');
      const shown = () => addon.evaluate(() => document.documentElement.dataset.colorMode);
      await eventually('the theme', async () => (await shown()) === theme);
      await accessible(page, `module, ${where}`);
      await accessible(addon, `frame, ${where}`);
      for (const url of [ADMIN_PAGE, NOTES]) {
        const own = await framed(page, `${url}?theme=${theme}`);
        const ownTheme = () => own.evaluate(() => document.documentElement.dataset.colorMode);
        await eventually('the theme', async () => (await ownTheme()) === theme);
        await accessible(own, `${new URL(url).pathname}, ${where}`);
        const wide = await own.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
        assert.ok(wide <= 0, `${url} at ${where} scrolls sideways`);
      }
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

/** The README's pictures. */
async function paint(name, url, { prepare }) {
  const { page, context } = await open({ viewport: { width: 1280, height: 720 } });
  await page.goto(url);
  await prepare(page);
  await page.screenshot({ path: path.join(repository, 'docs', `${name}.png`), animations: 'disabled' });
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
  await fresh.remove();
} else {
  await starter.remove();
}

await finish();
