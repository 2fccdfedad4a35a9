// Opening a page: what the shell asks of the backend, and what it shows while it waits or when it fails.
import assert from 'node:assert/strict';
import { leave } from '../leaving.mjs';
import { appPage, isAt, lastOp, openApp, openProduct, ops, shellFrame, test, until } from './harness.mjs';
import { USER } from './modules.mjs';
import { world } from './world.mjs';

await test('the shell opens the page that the backend names', async (page, said) => {
  const app = await openApp(page);
  assert.deepEqual(world.opened, [{
    protocol: 1,
    moduleKey: 'panel',
    shell: world.shell,
    locale: 'de-DE',
    timezone: 'Europe/Berlin',
    location: `${world.product}/browse/ISSUE-7`,
  }]);
  const [shown] = world.shown;
  assert.deepEqual([shown.path, shown.referrer, shown.destination], ['/panel', undefined, 'iframe']);
  assert.equal(new URL(app.url()).searchParams.get('issue'), 'ISSUE-7');
  assert.equal(await app.textContent('#who'), USER);
  assert.deepEqual([...new Set((await ops(page)).map(({ op }) => op))].sort(), ['enableTheming', 'getContext', 'invoke']);
  assert.deepEqual(said.filter((line) => /Content Security Policy/i.test(line)), []);
  const shell = await shellFrame(page);
  assert.equal(await shell.locator('.skeleton').count(), 0);
  const { name, referrerPolicy } = await shell.evaluate(() => {
    const { name, referrerPolicy } = document.querySelector('iframe');
    return { name, referrerPolicy };
  });
  assert.deepEqual([JSON.parse(name).shell, referrerPolicy], [world.shell, 'no-referrer']);
});

await test('a shell that was built for another page of a module asks for that page, and in a dialog for the first one', async (page) => {
  world.part = 'editor';
  const app = await openApp(page);
  assert.equal(world.opened[0].page, 'editor');
  await app.evaluate(() => { window.AP.dialog.create({ key: 'dialog' }); });
  await until(() => world.opened.length === 2);
  assert.deepEqual([world.opened[1].moduleKey, world.opened[1].page], ['dialog', undefined]);
});

await test('the paths of a backend may have a base path', async (page) => {
  const app = await openApp(page, 'panel', { base: '/app' });
  assert.deepEqual(world.invoked.map(({ path }) => path), ['/app/forge/open']);
  await app.evaluate(() => window.AP.context.getToken());
  assert.equal(world.invoked.at(-1).path, '/app/forge/token');
});

await test('a refusal of the backend is shown in its words, and can be tried again', async (page) => {
  world.refusal = { status: 503, message: 'The app is being updated. Try again in a minute.' };
  await openProduct(page, 'panel');
  const shell = await shellFrame(page);
  await shell.locator('[role=alert]', { hasText: 'The app is being updated' }).waitFor();
  world.refusal = null;
  await shell.getByRole('button', { name: 'Try again' }).click();
  await appPage(page);
  assert.equal(await shell.locator('[role=alert]').count(), 0);
});

await test('a module that the backend does not have is an error', async (page) => {
  await openProduct(page, 'unknown');
  await (await shellFrame(page)).getByText('The app has no module "unknown".').waitFor();
});

await test('a token is fresh every time, and belongs to this session', async (page) => {
  const app = await openApp(page);
  const [first, second, called] = await app.evaluate(async () => [
    await window.AP.context.getToken(),
    await window.AP.context.getToken(),
    await new Promise((resolve) => window.AP.context.getToken(resolve)),
  ]);
  assert.equal(new Set([first, second, called]).size, 3);
  assert.deepEqual(world.tokens, [world.session, world.session, world.session]);
  const answer = await app.evaluate(async () => {
    const token = await window.AP.context.getToken();
    return (await fetch('/api/me', { headers: { Authorization: `JWT ${token}` } })).json();
  });
  assert.deepEqual(answer, { account: USER });
});

await test('the token of a page is not one for its calls', async (page) => {
  const app = await openApp(page);
  const status = await app.evaluate(async () => {
    const token = new URLSearchParams(location.search).get('jwt');
    return (await fetch('/api/me', { headers: { Authorization: `JWT ${token}` } })).status;
  });
  assert.equal(status, 401);
}, { expected: [/401/] });

await test('a session that the backend has forgotten is opened anew', async (page) => {
  const app = await openApp(page);
  world.forgetsSession = true;
  assert.match(await app.evaluate(() => window.AP.context.getToken()), /^\w+\./);
  assert.equal(world.opened.length, 2);
});

await test('a page that is loaded again after its token has died gets a new URL', async (page) => {
  world.pageSeconds = 1;
  const app = await openApp(page);
  world.pageSeconds = 120;
  const first = app.url();
  await until(() => new Date() > JSON.parse(atob(new URL(first).searchParams.get('jwt').split('.')[1])).exp * 1000);
  await leave(app, () => location.reload());
  await app.getByText('The token of this page is not valid.').waitFor();
  await until(() => world.opened.length === 2);
  await until(() => page.frames().some((frame) => frame.url() !== first && isAt(frame, '/panel')), 'the page at its new URL');
  const again = await appPage(page);
  assert.equal(await again.evaluate(async () => (await window.AP.user.getCurrentUser()).atlassianAccountId), USER);
  // a page that leads to such a document at once again would otherwise be opened for ever
  await leave(again, () => { location.href = '/nothing'; });
  await (await shellFrame(page)).getByText('The page of the app did not answer.').waitFor();
  assert.equal(world.opened.length, 2);
}, { expected: [/401/] });

await test('a page that never speaks with the shell is opened a second time, then the user decides', async (page) => {
  await openProduct(page, 'silent');
  const shell = await shellFrame(page);
  await until(() => world.shown.length === 2);
  await shell.getByText('The page of the app did not answer.').waitFor();
  assert.equal(world.opened.length, 2);
});

await test('a page that does not come is opened a second time', async (page) => {
  world.openUrl = `${world.backend}/never`;
  await page.clock.install();
  openProduct(page, 'panel').catch(() => {}); // it waits for this page too
  await (await shellFrame(page)).locator('iframe.page').waitFor({ state: 'attached' });
  world.openUrl = null;
  await page.clock.fastForward(31_000);
  await appPage(page);
  assert.equal(world.opened.length, 2);
});

await test('nobody is logged in', async (page) => {
  const app = await openApp(page, 'anonymous');
  assert.deepEqual(await app.evaluate(() => window.AP.user.getCurrentUser()), { atlassianAccountId: null });
  assert.equal(await app.textContent('#who'), 'null');
  assert.equal(await lastOp(page, 'navigate'), undefined);
});
