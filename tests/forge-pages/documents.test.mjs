// The documents in the frame: sizes, theme, links, and AP after every navigation.
import assert from 'node:assert/strict';
import { leave } from '../leaving.mjs';
import { appPage, isAt, lastOp, openApp, openProduct, ops, shellFrame, test, until } from './harness.mjs';
import { world } from './world.mjs';

/** The heights of the frame in the shell, and of the shell in the product. */
async function heights(page) {
  const inner = await (await shellFrame(page)).evaluate(() => document.querySelector('iframe.page').getBoundingClientRect().height);
  const outer = await page.evaluate(() => document.querySelector('.forge-module iframe').getBoundingClientRect().height);
  return [inner, outer];
}

const become = (page, height) => until(async () => {
  const found = await heights(page);
  return found.every((one) => Math.abs(one - height) <= 2) && found;
}, `a frame of ${height} pixels`);

await test('the frame is as high as the content, and follows it up and down', async (page) => {
  const app = await openApp(page);
  const content = () => app.evaluate(() => document.querySelector('main').getBoundingClientRect().bottom);
  const first = await content();
  await become(page, first);
  assert.equal(await app.evaluate(() => document.documentElement.scrollHeight - window.innerHeight), 0);
  await app.evaluate(() => document.querySelector('main').append(Object.assign(document.createElement('div'), { id: 'big' })));
  await app.evaluate(() => { document.getElementById('big').style.height = '1000px'; });
  await become(page, first + 1000);
  await app.evaluate(() => document.getElementById('big').remove());
  await become(page, first);
  assert.equal(await app.evaluate(() => getComputedStyle(document.body).margin), '0px');
});

await test('AP.resize, for a page that wants no automatic size', async (page) => {
  const app = await openApp(page, 'fixed');
  await become(page, 150);
  assert.equal(await app.evaluate(() => getComputedStyle(document.body).margin), '8px');
  await app.evaluate(() => window.AP.resize('100%', '777'));
  await become(page, 777);
  await app.evaluate(() => window.AP.resize('80%', 500));
  await become(page, 500);
  const { w, h } = await app.evaluate(() => window.AP.size());
  assert.equal(w, '100%');
  await app.evaluate(() => window.AP.resize());
  await become(page, h);
  assert.match(await app.evaluate(() => window.AP.resize('1px;color:red', '1').catch((error) => error.message)), /is not a size/);
});

await test('a body without a container is measured by its content, not by the frame', async (page, said) => {
  await openProduct(page, 'growing');
  const app = await appPage(page, '/growing');
  await until(() => said.some((line) => line.includes('grows with its frame')));
  const [height] = await heights(page);
  assert.ok(height < 1200, `${height}`);
  assert.equal(await app.evaluate(() => document.querySelector('h1').textContent), 'growing');
});

await test('a body without a container is shown whole, with the margins of its last elements', async (page) => {
  const app = await openApp(page, 'plain');
  const rest = () => app.evaluate(() => window.innerHeight - document.querySelector('form').getBoundingClientRect().bottom);
  await until(async () => Math.floor(await rest()) === 40);
  assert.equal(await app.evaluate(() => document.documentElement.scrollHeight - window.innerHeight), 0);
});

await test('sizeToParent, as an option of the script', async (page) => {
  await openProduct(page, 'full');
  await appPage(page, '/full');
  const frame = (await shellFrame(page)).locator('iframe.page.is-sized-to-parent');
  await frame.waitFor();
  assert.equal(await frame.evaluate((element) => element.getBoundingClientRect().height - window.innerHeight), 0);
});

await test('sizeToParent of a page that has not the main area: the frame follows the content', async (page) => {
  const app = await openApp(page, 'fullPanel');
  const frame = (await shellFrame(page)).locator('iframe.page');
  await app.evaluate(() => {
    document.querySelector('h1').style.margin = '0'; // which pushes the container down
    document.getElementById('main').style.height = '777px';
  });
  await until(() => frame.evaluate((element) => element.getBoundingClientRect().height === 777));
  await app.evaluate(() => window.AP.sizeToParent());
  await app.evaluate(() => { document.getElementById('main').style.height = '555px'; });
  await until(() => frame.evaluate((element) => element.getBoundingClientRect().height === 555));
  await app.evaluate(() => window.AP.resize('100%', '321px'));
  await until(() => frame.evaluate((element) => element.getBoundingClientRect().height === 321));
});

await test('the theme of the host', async (page) => {
  const app = await openApp(page);
  const look = () => app.evaluate(() => [
    document.documentElement.dataset.colorMode, document.documentElement.dataset.theme, getComputedStyle(document.documentElement).backgroundColor,
  ]);
  assert.deepEqual((await look()).slice(0, 2), [undefined, undefined]);
  await app.evaluate(() => window.AP.theming.initializeTheming());
  assert.deepEqual((await look()).slice(0, 2), ['light', 'dark:dark light:light spacing:spacing']);
  await page.evaluate(() => window.forgeProduct.setColorMode('dark'));
  await until(async () => (await look())[0] === 'dark');
  assert.equal((await look())[2], 'rgb(1, 2, 3)');
});

await test('AP works again after a form was sent', async (page) => {
  const app = await openApp(page);
  await app.fill('[name=note]', 'some words');
  await app.click('#save');
  const saved = await appPage(page, '/saved');
  assert.equal(await saved.textContent('#note'), 'some words');
  assert.equal(new URL(saved.url()).search, '');
  assert.match(await saved.evaluate(() => window.AP.context.getToken()), /^\w+\./);
  assert.equal(world.opened.length, 1);
});

await test('AP works again after a link, and the way back', async (page) => {
  const app = await openApp(page);
  await app.click('#link');
  const second = await appPage(page, '/second');
  assert.equal(new URL(second.url()).searchParams.has('xdm_shell'), false);
  assert.match(await second.evaluate(() => window.AP.context.getToken()), /^\w+\./);
  await second.evaluate(() => history.back());
  const first = await appPage(page, '/panel');
  assert.match(await first.evaluate(() => window.AP.context.getToken()), /^\w+\./);
});

await test('AP works again after a reload', async (page) => {
  const app = await openApp(page);
  await app.evaluate(() => { window.isOld = true; });
  await leave(app, () => location.reload());
  await until(() => world.shown.length === 2);
  const again = await appPage(page);
  assert.equal(await again.evaluate(() => window.isOld), undefined);
  assert.equal(world.opened.length, 1);
});

await test('links that leave the frame go through the router', async (page) => {
  const app = await openApp(page);
  await app.click('#blank');
  assert.deepEqual(await until(() => lastOp(page, 'navigate')), { url: 'https://example.com/x', type: 'new-tab' });
  await app.click('#top');
  await until(async () => (await lastOp(page, 'navigate')).type === 'same-tab');
  assert.deepEqual(await lastOp(page, 'navigate'), { url: '/browse/ISSUE-8', type: 'same-tab' });
  await app.evaluate(() => {
    document.head.insertAdjacentHTML('beforeend', '<base target="_parent">');
    document.body.insertAdjacentHTML('beforeend', '<a id="plain" href="https://example.com/plain">plain</a>');
  });
  await app.click('#plain');
  await until(async () => (await lastOp(page, 'navigate')).url === 'https://example.com/plain');
  assert.equal(await app.evaluate(() => window.open('/second?x=1')), null);
  await until(async () => (await lastOp(page, 'navigate')).url === `${world.backend}/second?x=1`);
  for (const options of [{ modifiers: ['Control'] }, { modifiers: ['Shift'] }, { button: 'middle' }]) {
    const before = (await ops(page, 'navigate')).length;
    await app.click('#link', options);
    await until(async () => (await ops(page, 'navigate')).length > before);
    const { url, type } = await lastOp(page, 'navigate');
    assert.deepEqual([url.startsWith(`${world.backend}/second`), type], [true, 'new-tab']);
  }
  assert.ok(isAt(app, '/panel'));
  assert.equal(page.context().pages().length, 1);
});

await test('links to scripts and files are left to the browser', async (page) => {
  const app = await openApp(page);
  await app.click('#script');
  const [download] = await Promise.all([page.waitForEvent('download'), app.click('#file')]);
  assert.equal(download.suggestedFilename(), 'file.csv');
  assert.equal((await ops(page, 'navigate')).length, 0);
  // a download is no navigation: the port is still there
  assert.match(await app.evaluate(() => window.AP.context.getToken()), /^\w+\./);
  assert.ok(isAt(app, '/panel'));
}, { expected: [/javascript|sandbox/i] });

await test('only http and https are opened', async (page) => {
  const app = await openApp(page);
  for (const url of ['javascript:alert(1)', 'file:///etc/passwd', 'data:text/html,x']) {
    const answer = await app.evaluate(async ([shell, address]) => {
      const port = await new Promise((resolve) => {
        window.addEventListener('message', ({ ports }) => resolve(ports[0]), { once: true });
        window.parent.postMessage({ connect: 'hello', protocol: 1 }, shell);
      });
      return new Promise((resolve) => {
        port.onmessage = ({ data }) => resolve(data.error);
        port.postMessage({ call: 'openUrl', id: 1, argument: { url: address, isNewTab: true } });
      });
    }, [world.shell, url]);
    assert.match(answer, /are not followed/);
  }
  assert.equal((await ops(page, 'navigate')).length, 0);
});
