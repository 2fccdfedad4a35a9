// Who gets nothing: foreign pages in the shell's frame, foreign frames around the app's page, wrong windows, old ports.
import assert from 'node:assert/strict';
import { leave } from '../leaving.mjs';
import { appPage, failure, isAt, openApp, openProduct, ops, shellFrame, test, until, watchMessages } from './harness.mjs';
import { world } from './world.mjs';

const BLOCKED = [/Content Security Policy|frame-ancestors|frame-src|ancestor|ERR_BLOCKED/i, /sandboxed|Refused/i];
const hello = { connect: 'hello', protocol: 1 };

/** A page's URL with its token, as an attacker may have got it. */
async function stolenUrl(page) {
  const url = (await openApp(page)).url();
  await page.goto('about:blank');
  return url;
}

const frameIt = (page, url, by = world.evil) => page.goto(`${by}/frame?url=${encodeURIComponent(url)}`);
const got = (page) => page.evaluate(() => window.got);
const foreign = (page, origin = world.evil) => until(() => page.frames().find((frame) => frame.url().startsWith(origin)));

await test('A1 the frame goes to a foreign page: the policy of the shell forbids it, and the app comes back', async (page, said) => {
  const app = await openApp(page);
  const before = [(await ops(page)).length, world.tokens.length];
  await leave(app, (url) => { location.href = url; }, `${world.evil}/x`);
  await until(() => said.some((line) => /frame-src|Content Security Policy/i.test(line)));
  assert.equal(page.frames().some((frame) => frame.url().startsWith(world.evil)), false);
  assert.deepEqual([(await ops(page)).length, world.tokens.length], before);
  // the shell waits for a hello, and then opens the page of the app anew
  await until(() => world.opened.length === 2);
  await appPage(page);
}, { expected: BLOCKED });

await test('A2 a foreign page in the frame, with a manifest that allows it: the shell does not answer', async (page) => {
  world.frames = ['*'];
  const app = await openApp(page);
  const shell = await shellFrame(page);
  const heard = await watchMessages(shell);
  await leave(app, (url) => { location.href = url; }, `${world.evil}/x`);
  const evil = await foreign(page);
  const before = [(await ops(page)).length, world.tokens.length];
  await until(() => evil.evaluate(() => Array.isArray(window.got)));
  await evil.evaluate((message) => window.parent.postMessage(message, '*'), hello);
  await until(async () => (await heard()).some(({ origin }) => origin === world.evil));
  // an answer would have been sent while the hello was handled
  await evil.evaluate(() => new Promise((resolve) => setTimeout(resolve)));
  assert.deepEqual(await evil.evaluate(() => window.got), []);
  assert.deepEqual([(await ops(page)).length, world.tokens.length], before);
  // it was not taken for the page of the app, which the shell opens anew
  await until(() => world.opened.length === 2);
  await appPage(page);
});

await test('A3 the right origin, but the wrong window', async (page) => {
  const app = await openApp(page);
  const heard = await watchMessages(await shellFrame(page));
  // a frame of the app in the app's page: its parent's parent is the shell
  await app.evaluate(() => {
    const frame = Object.assign(document.createElement('iframe'), { src: '/forge/ap.js', name: 'inner' });
    document.body.append(frame);
  });
  const inner = await until(() => page.frames().find((frame) => isAt(frame, '/forge/ap.js')));
  const answers = await watchMessages(inner);
  await inner.evaluate((message) => window.parent.parent.postMessage(message, '*'), hello);
  await until(async () => (await heard()).length);
  // the page itself is still the one that is answered
  await app.evaluate(() => window.AP.getLocation());
  assert.deepEqual(await answers(), []);
});

await test('A4 a foreign page frames the page of the app: frame-ancestors forbids it', async (page, said) => {
  const url = await stolenUrl(page);
  const shown = world.shown.length;
  await frameIt(page, url);
  await until(() => said.some((line) => /ancestor/i.test(line)));
  assert.equal((await got(page)).filter(([origin]) => origin === world.backend).length, 0);
  assert.ok(world.shown.length >= shown);
}, { expected: BLOCKED });

await test('A5 the same without frame-ancestors: the script stays silent', async (page, said) => {
  const url = await stolenUrl(page);
  world.hasNoFrameAncestors = true;
  await frameIt(page, url);
  await until(() => said.some((line) => line.includes(`AP is switched off: ${world.evil} frames the page.`)));
  const victim = page.frames().find((frame) => isAt(frame, '/panel'));
  assert.match(await failure(victim, () => window.AP.context.getToken()), /switched off/);
  assert.deepEqual(await got(page), []);
  // nor does it take a port that is offered
  await page.evaluate((target) => {
    const { port1, port2 } = new MessageChannel();
    window.taken = [];
    port1.onmessage = ({ data }) => window.taken.push(data);
    const welcome = { connect: 'welcome', protocol: 1, theme: {}, dialog: { isOpen: false } };
    document.querySelector('iframe').contentWindow.postMessage(welcome, target, [port2]);
  }, world.backend);
  assert.match(await failure(victim, () => window.AP.context.getToken()), /switched off/);
  assert.deepEqual(await page.evaluate(() => window.taken), []);
});

await test('A5 in a browser that does not tell a frame its ancestors: the hello goes to the shell alone', async (page) => {
  const url = await stolenUrl(page);
  Object.assign(world, { hasNoFrameAncestors: true, hasNoAncestorOrigins: true });
  await frameIt(page, url);
  const victim = await until(() => page.frames().find((frame) => isAt(frame, '/panel')));
  await victim.waitForLoadState();
  await page.evaluate((target) => {
    const { port1, port2 } = new MessageChannel();
    window.taken = [];
    port1.onmessage = ({ data }) => window.taken.push(data);
    document.querySelector('iframe').contentWindow.postMessage({ connect: 'welcome', protocol: 1, theme: {}, dialog: {} }, target, [port2]);
  }, world.backend);
  await victim.evaluate(() => { void window.AP.context.getToken(); });
  await victim.evaluate(() => new Promise((resolve) => setTimeout(resolve)));
  assert.deepEqual([await got(page), await page.evaluate(() => window.taken)], [[], []]);
}, { expected: [/target origin provided/] });

await test('A8 the backend names a page of another server', async (page) => {
  world.openUrl = `${world.evil}/x`;
  await openProduct(page, 'panel');
  await (await shellFrame(page)).getByText('The app answered with a page of another server').waitFor();
  assert.equal(page.frames().some((frame) => frame.url().startsWith(world.evil)), false);
});

await test('A8 the backend names a script', async (page) => {
  world.openUrl = 'javascript:alert(1)';
  await openProduct(page, 'panel');
  await (await shellFrame(page)).getByText('The app answered with a page of another server').waitFor();
});

await test('A10 another app of the same CDN frames the page', async (page, said) => {
  const url = await stolenUrl(page);
  await frameIt(page, url, world.otherShell);
  await until(() => said.some((line) => /ancestor/i.test(line)));
  world.hasNoFrameAncestors = true;
  await frameIt(page, url, world.otherShell);
  await until(() => said.some((line) => line.includes(`${world.otherShell} frames the page.`)));
  assert.deepEqual((await got(page)).filter(([origin]) => origin === world.backend), []);
}, { expected: BLOCKED });

await test('xdm_shell exchanged: the token is not one of this URL', async (page) => {
  const url = new URL(await stolenUrl(page));
  url.searchParams.set('xdm_shell', world.evil);
  world.hasNoFrameAncestors = true;
  await frameIt(page, url.href);
  const victim = await until(() => page.frames().find((frame) => isAt(frame, '/panel')));
  await victim.getByText('The token of this page is not valid.').waitFor();
  assert.equal(await victim.evaluate(() => typeof window.AP), 'undefined');
}, { expected: [/401/] });

await test('a shell in the name of the frame must be an allowed one', async (page, said) => {
  const app = await openApp(page);
  world.hasNoFrameAncestors = true;
  const second = await app.getAttribute('#link', 'href');
  await page.goto(`${world.evil}/`);
  await page.evaluate(([url, shell]) => {
    const frame = document.createElement('iframe');
    Object.assign(frame, { name: JSON.stringify({ connect: 'frame', shell }), src: url });
    document.body.append(frame);
  }, [new URL(second, world.backend).href, world.evil]);
  await until(() => said.some((line) => line.includes(`${world.evil} is not an allowed shell.`)));
  assert.deepEqual(await got(page), []);
});

await test('the page without a frame: AP is there, and says why it does nothing', async (page, said) => {
  const url = await stolenUrl(page);
  await page.goto(url);
  for (const run of [() => window.AP.context.getToken(), () => window.AP.request('/rest/x'), () => window.AP.resize()]) {
    assert.match(await failure(page, run), /AP works only where Jira or Confluence shows the page/);
  }
  await page.evaluate(() => {
    window.AP.theming.initializeTheming();
    window.AP.events.on('x', () => {});
    window.AP.flag.create({ title: 'x' }).close();
    window.AP.dialog.create({ key: 'x' }).on('close', () => {});
  });
  await page.evaluate(() => new Promise((resolve) => setTimeout(resolve)));
  assert.equal(said.filter((line) => line.includes('AP works only')).length, 1);
}, { expected: [/401/] }); // the page has no favicon.ico

await test('a second hello closes the first port', async (page) => {
  const app = await openApp(page);
  const answer = await app.evaluate(async ([shell, message]) => {
    const ask = () => new Promise((resolve) => {
      window.addEventListener('message', ({ ports }) => resolve(ports[0]), { once: true });
      window.parent.postMessage(message, shell);
    });
    const call = (port, id) => new Promise((resolve) => {
      port.onmessage = ({ data }) => resolve(data.outcome);
      port.postMessage({ call: 'getLocation', id, argument: null });
    });
    const first = await ask();
    const second = await ask();
    const early = Promise.race([call(first, 1), call(second, 2)]);
    return [await early, await Promise.race([call(first, 3), call(second, 4)])];
  }, [world.shell, hello]);
  assert.deepEqual(answer, [2, 4]);
});

await test('a port does not outlive its document', async (page) => {
  const app = await openApp(page);
  await app.evaluate(() => {
    window.heard = [];
    window.AP.events.on('changed', () => {});
    window.AP.flag.create({ title: 'Asked before', actions: { a: 'Act' } });
  });
  await page.locator('.flag').waitFor();
  await app.click('#link');
  const second = await appPage(page, '/second');
  await second.evaluate(() => {
    window.heard = [];
    window.AP.events.onAny((name) => window.heard.push(name));
  });
  // what the first document asked for does not come to the second one
  await page.getByRole('button', { name: 'Act' }).click();
  await second.evaluate(() => window.AP.getLocation());
  assert.deepEqual(await second.evaluate(() => window.heard), []);
  assert.equal(await page.evaluate(() => window.forgeProduct.subscriptions('app', 'changed')), 0);
});

await test('a hello of another version of the protocol is answered with an explanation', async (page) => {
  const app = await openApp(page);
  await app.evaluate((shell) => window.parent.postMessage({ connect: 'hello', protocol: 2 }, shell), world.shell);
  await (await shellFrame(page)).getByText('The app must be deployed to Forge again').waitFor();
});

await test('messages of others do not disturb the shell', async (page) => {
  const app = await openApp(page);
  await app.evaluate((shell) => {
    for (const message of [null, 1, 'hello', {}, { connect: 'welcome' }, { call: 'getToken', id: 1 }, '[iFrameSizer]x']) {
      window.parent.postMessage(message, shell);
    }
  }, world.shell);
  assert.equal(await app.evaluate(() => window.AP.getLocation()), `${world.product}/browse/ISSUE-7`);
});

await test('a shell cannot call the backend or the product as another module', async (page) => {
  await openApp(page);
  const shell = await shellFrame(page);
  const asked = async (op, payload) => {
    const [request] = await Promise.all([
      page.waitForRequest((one) => one.url().includes('/gateway/')),
      shell.evaluate(([name, given]) => window.__bridge.callBridge(name, given), [op, { localId: 'local-glance', ...payload }]),
    ]);
    return request.postDataJSON().localId;
  };
  const fetchRequestInit = { method: 'GET', headers: [] };
  assert.equal(await asked('fetchProduct', { product: 'jira', restPath: '/rest/x', fetchRequestInit }), 'local-panel');
  assert.equal(await asked('invoke', { path: '/forge/token', method: 'POST', body: {}, invokeType: 'ui-remote-fetch' }), 'local-panel');
});
