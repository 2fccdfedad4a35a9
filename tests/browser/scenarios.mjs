// What a user does with the starter's pages, and what the pages do with AP: the same list through Connect and through
// Forge. `through` has the words for where things are.
import assert from 'node:assert/strict';
import { leave } from '../leaving.mjs';
import { accessible, entry, greeting, test } from './harness.mjs';
import { eventually } from './starter.mjs';

const HELLO = 'generalPages/hello-world-page';
const ADMIN = 'adminPages/admin-page';
const PANEL = 'webPanels/issue-panel';
const NOTES = 'webPanels/issue-notes';

/** `hasty`: a starter whose tokens are good for two seconds. */
export async function scenarios(through, { starter, hasty }) {
  const scenario = (name, body, options) => test(`${through.name}: ${name}`, body, options);
  const go = (page, module, query) => page.goto(through.url(starter, module, query));
  const inFrame = (page) => through.inFrame(page);

  /** The frame of the add-on's page, once it has spoken with the bridge. */
  async function open(page, module, query) {
    await go(page, module, query);
    return through.app(page);
  }

  // ---- What everybody sees first ----

  await scenario('the hello page greets the user by name', async (page) => {
    await open(page, HELLO);
    await greeting(page, 'Ada Admin', through);
    await entry(page, 'GET', '/hello-world', '200').waitFor();
    await entry(page, 'GET', '/rest/api/3/myself', '200').waitFor();
    await page.selectOption('select[name=user]', { label: 'Mia Member' });
    await page.waitForURL(/user=mia/);
    await through.app(page);
    await greeting(page, 'Mia Member', through);
  });

  await scenario('nobody is logged in', async (page) => {
    const addon = await open(page, HELLO, { user: 'anonymous' });
    await inFrame(page).getByText('nobody is logged in', { exact: true }).waitFor();
    const user = await addon.evaluate(() => new Promise((resolve) => window.AP.user.getCurrentUser(resolve)));
    assert.equal(user.atlassianAccountId ?? null, null);
    await inFrame(page).locator('#user', { hasText: 'You must be logged in to do this.' }).waitFor();
  }, { expected: [/\b(401|403|400)\b.*(api\/me|myself)/] });

  await scenario('the page hears of the licence, and of the issue', async (page) => {
    const variables = async (query) => {
      const addon = await open(page, PANEL, query);
      return addon.evaluate(() => JSON.parse(document.getElementById('connect-context').textContent));
    };
    assert.equal((await variables({ license: 'active' })).license, 'active');
    const other = await variables({ license: 'none', 'issue.key': 'JRA-2' });
    assert.equal(other.license, 'none');
    assert.equal(other.context.jira.issue.key, 'JRA-2');
  });

  // ---- Forms ----

  await scenario('a member who is no administrator is kept out of the settings, and reads why', async (page) => {
    await go(page, ADMIN, { user: 'mia' });
    await inFrame(page).getByRole('heading', { name: 'Not permitted' }).waitFor();
    assert.match(await inFrame(page).locator('#message').innerText(), /permission|permitted|administer/i);
    await open(page, ADMIN, { user: 'ada' });
    await inFrame(page).getByRole('heading', { name: 'Settings' }).waitFor();
  }, { expected: [/403 \(Forbidden\).*admin/] });

  await scenario('settings are saved, greet everybody, and are there after a reload', async (page) => {
    await open(page, ADMIN);
    const field = inFrame(page).getByLabel('Greeting');
    const save = async (text) => {
      await field.fill(text);
      await inFrame(page).getByRole('button', { name: 'Save' }).click();
    };
    assert.equal(await field.inputValue(), 'Hello', 'the default of an install');
    await save('Grüezi <b>');
    await inFrame(page).getByRole('status').getByText('Saved.').waitFor();
    // what does not fit says why, and keeps what was typed; the browser itself would not send it
    await field.evaluate((element) => element.removeAttribute('required'));
    await save(' ');
    await inFrame(page).getByRole('alert').getByText('Write a greeting.').waitFor();
    await open(page, ADMIN);
    assert.equal(await field.inputValue(), 'Grüezi <b>');
    await open(page, HELLO, { user: 'mia' });
    await inFrame(page).getByRole('heading', { name: 'Grüezi <b>, Mia Member' }).waitFor();
    await open(page, ADMIN);
    await save('Hello');
    await inFrame(page).getByRole('status').getByText('Saved.').waitFor();
  }, { expected: [/422/] });

  await scenario('a note is added, edited and deleted, and seen by others', async (page) => {
    const note = () => inFrame(page).locator('.notes .card');
    const shows = (text) => note().locator('.note', { hasText: text }).waitFor();
    const add = async (text) => {
      await inFrame(page).getByLabel('New note').fill(text);
      await inFrame(page).getByRole('button', { name: 'Add' }).click();
    };
    await open(page, NOTES);
    await inFrame(page).getByText('There are no notes yet.').waitFor();
    await add('first <note> ☃');
    await shows('first <note> ☃');
    await note().getByText('Edit').click();
    await note().getByLabel('The note', { exact: true }).fill('second');
    await note().getByRole('button', { name: 'Save' }).click();
    await shows('second');
    // what was sent is nowhere on the way back
    await page.goBack();
    await page.goForward();
    await open(page, NOTES);
    await shows('second');
    assert.equal(await note().count(), 1);

    await open(page, NOTES, { user: 'mia' });
    await shows('second');
    assert.equal(await note().getByRole('button').count(), 0, 'neither edits nor deletes what another wrote');
    await add('of Mia');
    await shows('of Mia');

    // an administrator deletes both
    await open(page, NOTES, { user: 'ada' });
    for (const text of ['of Mia', 'second']) {
      await inFrame(page).getByRole('button', { name: `Delete the note: ${text}` }).click();
      await note().locator('.note', { hasText: text }).waitFor({ state: 'detached' });
    }
    await inFrame(page).getByText('There are no notes yet.').waitFor();
  });

  await scenario('a form that cannot be sent keeps what was typed, and goes on', async (page) => {
    await open(page, NOTES);
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

  await scenario('a form that the browser itself sends, and a link: AP works after both', async (page) => {
    const addon = await open(page, ADMIN);
    const first = addon.url();
    const asksAgain = (document) => eventually('AP answers', () => document.evaluate(async () => {
      const { body } = await window.AP.request('/rest/api/3/myself');
      return JSON.parse(body).displayName === 'Ada Admin';
    }));
    await asksAgain(addon);
    await inFrame(page).locator('form').evaluate((form) => form.setAttribute('data-plain', ''));
    await inFrame(page).getByRole('button', { name: 'Save' }).click();
    await inFrame(page).getByRole('status').getByText('Saved.').waitFor();
    assert.ok(!addon.url().includes('jwt='), 'no token is in the address');
    await asksAgain(addon);
    await leave(addon, (url) => { location.href = url; }, first);
    await inFrame(page).getByRole('status').getByText('Saved.').waitFor({ state: 'detached' });
    await inFrame(page).getByRole('heading', { name: 'Settings' }).waitFor();
    await asksAgain(addon);
  });

  // ---- AP ----

  await scenario('AP.resize gives a panel its size, and its content one that fits', async (page) => {
    const addon = await open(page, PANEL);
    await greeting(page, 'Ada Admin', through);
    await addon.evaluate(() => {
      const tall = document.createElement('div');
      tall.style.height = '1500px';
      document.getElementById('content').append(tall);
      window.AP.resize();
    });
    await eventually('the frame has grown', async () => (await through.height(page)) > 1500);
    await addon.evaluate(() => window.AP.resize('420px', '345'));
    await eventually('the new size', () =>
      addon.evaluate(() => window.innerWidth === 420 && window.innerHeight === 345));
  });

  await scenario('a token opens the add-on, and says where the page is', async (page) => {
    const addon = await open(page, PANEL);
    const token = await addon.evaluate(() => window.AP.context.getToken());
    const session = await addon.evaluate(async (jwt) => {
      const response = await fetch('/api/session', { headers: { Authorization: `JWT ${jwt}` } });
      return { status: response.status, body: await response.json() };
    }, token);
    assert.equal(session.status, 200);
    assert.equal(session.body.clientKey, 'sandbox-jira');
    assert.match(session.body.userAccountId, /ada/);
    const context = await addon.evaluate(() => window.AP.context.getContext());
    assert.deepEqual(Object.keys(context), ['jira']);
    assert.match(context.jira.issue.key, /^[A-Z]+-\d+$/);
    assert.deepEqual(context.jira.issue, session.body.context.jira.issue, 'as the token has it');
    const { id, key } = session.body.context.jira.project;
    assert.deepEqual(context.jira.project, { id, key });
    const called = await addon.evaluate(() => new Promise((resolve) => window.AP.context.getContext(resolve)));
    assert.deepEqual(called, context, 'by callback as by promise');
  });

  await scenario('a token that ran out is replaced', async (page) => {
    await page.goto(through.url(hasty, PANEL));
    const addon = await through.app(page);
    await greeting(page, 'Ada Admin', through);
    const asked = () => addon.evaluate(async () => {
      const jwt = document.querySelector('meta[name=token]').content;
      return (await fetch('/api/session', { headers: { Authorization: `JWT ${jwt}` } })).status;
    });
    await eventually('the token of the page is too old', async () => (await asked()) === 401);
    const { status, body } = await addon.evaluate(() => window.addon.call('/api/me'));
    assert.deepEqual([status, body.displayName], [200, 'Ada Admin']);
  }, { expected: [/401 \(Unauthorized\).*api\/(session|me)/] });

  await scenario('AP.request reaches the REST API as the user, by promise and by callback', async (page) => {
    const addon = await open(page, PANEL);
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
        }).catch(() => {})),
      ].map((answer) => JSON.parse(JSON.stringify(answer)));
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

  await scenario('AP.request leads nowhere but to the REST API', async (page) => {
    const addon = await open(page, PANEL);
    const token = 'jira/context-token?module=adminPages/admin-page&user=ada';
    const outcomes = await addon.evaluate(async (paths) => {
      const outcome = (url) => window.AP.request(url).then(({ body }) => `answered ${body}`, ({ xhr }) => xhr.status);
      return Promise.all(paths.map(outcome));
    }, [
      `/../${token}`, `/%2e%2e/${token}`, `/rest/..\\..\\${token}`, `/rest/../../${token}`, `/rest/%2E./.%2e/${token}`,
      '/context-token', '/gateway/invoke', '//evil.example/rest/x', '@localhost/rest/x', '',
    ]);
    for (const outcome of outcomes) assert.equal(outcome, 0);
  });

  await scenario('a flag is shown as text, acts and closes', async (page) => {
    const addon = await open(page, PANEL);
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

  await scenario('a dialog shows a module, hands over data and closes with an answer', async (page) => {
    const addon = await open(page, PANEL);
    const closed = addon.evaluate(() => new Promise((resolve) => {
      window.AP.events.once('dialog.close', resolve);
      const buttons = [{ text: 'More', identifier: 'more' }];
      const customData = { a: 1 };
      window.AP.dialog.create({ key: 'hello-dialog', chrome: true, header: 'A <b>dialog</b>', customData, buttons });
    }));
    const dialog = await through.app(page, 'dialog');
    const buttons = through.buttons(page);
    await page.getByRole('heading', { name: 'A <b>dialog</b>', exact: true }).waitFor();
    const given = await dialog.evaluate(() => new Promise((resolve) => window.AP.dialog.getCustomData(resolve)));
    assert.deepEqual(given, { a: 1 });
    const pressed = dialog.evaluate(() => new Promise((resolve) => {
      window.AP.events.on('dialog.button.click', resolve);
      window.AP.dialog.createButton({ text: 'Ready', identifier: 'ready' }); // shown: the listener is there
    }));
    await buttons.getByRole('button', { name: 'Ready' }).waitFor();
    await buttons.getByRole('button', { name: 'More' }).click();
    assert.equal((await pressed).button.identifier, 'more');
    await dialog.evaluate(() => { window.AP.dialog.getButton('submit').disable(); });
    await buttons.locator('button[data-identifier=submit]:disabled').waitFor();
    await leave(dialog, () => { window.AP.dialog.close({ done: true }); });
    assert.deepEqual(await closed, { done: true });
    await page.locator('dialog').waitFor({ state: 'detached' });

    await addon.evaluate(() => { window.AP.dialog.create({ key: 'hello-dialog', header: 'Left' }); });
    await through.app(page, 'dialog');
    await through.leave(page);
    await page.locator('dialog').waitFor({ state: 'detached' });

    await addon.evaluate(() => { window.AP.dialog.create({ key: 'none-such', chrome: true }); });
    assert.match(await buttons.getByRole('alert').innerText(), /none-such/);
  }, { expected: [/404 \(Not Found\).*none-such/] });

  await scenario('two frames of the add-on hear each other', async (page) => {
    const panel = await open(page, PANEL);
    const listen = (frame, name) => frame.evaluate((event) => {
      window.heard = new Promise((resolve) => window.AP.events.on(event, resolve));
    }, name);
    await listen(panel, 'from-dialog');
    await panel.evaluate(() => { window.AP.dialog.create({ key: 'hello-dialog' }); });
    const dialog = await through.app(page, 'dialog');
    await listen(dialog, 'from-panel');
    // asked and answered: the subscriptions before it are there
    for (const frame of [panel, dialog]) await frame.evaluate(() => window.AP.context.getContext());
    await dialog.evaluate(() => { window.AP.events.emit('from-dialog', { a: 1 }); });
    assert.deepEqual(await panel.evaluate(() => window.heard), { a: 1 });
    await panel.evaluate(() => { window.AP.events.emit('from-panel', { b: 2 }); });
    assert.deepEqual(await dialog.evaluate(() => window.heard), { b: 2 });
  });

  await scenario('the theme reaches the page, at once and when it changes', async (page) => {
    const isDark = (addon) => addon.evaluate(() => {
      const [red, green, blue] = getComputedStyle(document.body).backgroundColor.match(/\d+/g).map(Number);
      return document.documentElement.dataset.colorMode === 'dark' && red + green + blue < 200;
    });
    const addon = await open(page, HELLO, { theme: 'dark' });
    await eventually('the frame is dark', () => isDark(addon));
    await greeting(page, 'Ada Admin', through);
    await page.selectOption('select[name=theme]', 'light');
    await eventually('the frame is light', async () => !(await isDark(addon)));
    assert.match(page.url(), /theme=light/);
    await page.selectOption('select[name=theme]', 'dark');
    await eventually('the frame is dark again', () => isDark(addon));
    assert.equal(await page.evaluate(() => getComputedStyle(document.body).backgroundColor), 'rgb(29, 33, 37)');
  });

  await scenario('AP.history: states are pushed, the browser goes back and forward', async (page) => {
    const addon = await open(page, HELLO);
    await addon.evaluate(async () => {
      window.popped = [];
      window.AP.history.popState(({ hash }) => window.popped.push(hash));
      await new Promise((resolve) => window.AP.history.getState('hash', resolve));
    });
    for (const state of ['one', 'two']) {
      await addon.evaluate((text) => { window.AP.history.pushState(text); }, state);
      await page.waitForURL(new RegExp(`#.*${state}$`));
    }
    const popped = () => addon.evaluate(() => window.popped.at(-1));
    await page.goBack();
    await eventually('the state before', async () => (await popped()) === 'one');
    await page.goForward();
    await eventually('the state after', async () => (await popped()) === 'two');
    const state = () => addon.evaluate(() => new Promise((resolve) => window.AP.history.getState('hash', resolve)));
    assert.equal(await state(), 'two');
  });

  await scenario('AP knows the user and the way', async (page) => {
    const addon = await open(page, PANEL, { user: 'mia' });
    const [user, zone, locale, place, here] = await addon.evaluate(async () => {
      const answer = (ask) => new Promise((resolve) => ask(resolve));
      const { AP } = window;
      return [
        await answer(AP.user.getCurrentUser), await answer(AP.user.getTimeZone), await answer(AP.user.getLocale),
        await answer(AP.navigator.getLocation), await answer(AP.getLocation),
      ];
    });
    assert.equal(user.atlassianAccountId, '557058:sandbox-mia');
    assert.equal(zone, 'America/New_York');
    assert.match(locale, /^en[-_]US$/);
    assert.ok(place.target, JSON.stringify(place));
    assert.equal(new URL(here).pathname, new URL(page.url()).pathname);
    const loaded = page.waitForEvent('load');
    await leave(addon, () => { window.AP.navigator.reload(); });
    await loaded;
    const again = await through.app(page);
    await leave(again, () => { window.AP.navigator.go('addonModule', { moduleKey: 'hello-world-page' }); });
    await page.waitForURL(/generalPages\/hello-world-page/);
    await through.app(page);
    await greeting(page, 'Mia Member', through);
  });

  // ---- For everyone ----

  await scenario('axe finds nothing on the page and in the frame, in either theme and at any width', async (page) => {
    for (const theme of ['light', 'dark']) {
      for (const width of [360, 1280]) {
        await page.setViewportSize({ width, height: 800 });
        for (const module of [HELLO, ADMIN, NOTES]) {
          const where = `${module}, ${theme}, ${width}`;
          const addon = await open(page, module, { theme });
          const shown = () => addon.evaluate(() => document.documentElement.dataset.colorMode);
          await eventually('the theme', async () => (await shown()) === theme);
          if (module === HELLO) await greeting(page, 'Ada Admin', through);
          await accessible(page, where);
          for (const frame of page.frames().slice(1)) {
            const hasHeading = frame === addon;
            await accessible(frame, `${where}, ${new URL(frame.url()).pathname}`, { hasHeading });
            const overflow = await frame.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
            assert.ok(overflow <= 0, `${where}: ${frame.url()} scrolls sideways`);
          }
          const overflow = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
          assert.ok(overflow <= 0, `${where} scrolls sideways`);
        }
      }
    }
  }, { options: { bypassCSP: true } }); // axe comes from outside

  await scenario('no policy was violated', async (page) => {
    await page.goto(`${starter.url}/jira`);
    assert.equal(await entry(page, '/violations').count(), 0);
  });
}
