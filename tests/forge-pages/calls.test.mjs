// What a page calls, one test for each row of the mapping from Connect's AP to Forge.
import assert from 'node:assert/strict';
import { leave } from '../leaving.mjs';
import { appPage, failure, lastOp, openApp, openProduct, ops, shellFrame, test, until } from './harness.mjs';
import { USER } from './modules.mjs';
import { world } from './world.mjs';

const requested = async (app, ...parameters) =>
  app.evaluate(async (given) => JSON.parse((await window.AP.request(...given)).body), parameters);

await test('AP.user and AP.context, by callback and by promise', async (page) => {
  const app = await openApp(page);
  const answers = await app.evaluate(async () => {
    const { AP } = window;
    const called = (method) => new Promise((resolve) => method(resolve));
    return [
      await called(AP.user.getCurrentUser), await called(AP.user.getTimeZone), await called(AP.user.getLocale),
      await called(AP.context.getContext), await AP.context.getContext(), await called(AP.getLocation),
    ];
  });
  const context = {
    jira: { issue: { id: '10001', key: 'ISSUE-7', issuetype: { id: '3' } }, project: { id: '10', key: 'ISSUE' } },
  };
  assert.deepEqual(answers, [
    { atlassianAccountId: USER }, 'Europe/Berlin', 'de-DE', context, context, `${world.product}/browse/ISSUE-7`,
  ]);
});

await test('AP.context.getContext in Confluence, and the words that were chosen', async (page) => {
  const app = await openApp(page, 'banner');
  assert.deepEqual(await app.evaluate(() => window.AP.context.getContext()), {
    confluence: { content: { id: '98305', type: 'page' }, space: { id: '98304', key: 'DOCS' } },
  });
  assert.equal(await app.evaluate(() => window.AP.host.getSelectedText()), 'chosen words');
});

await test('AP.request asks the product as the user', async (page) => {
  const app = await openApp(page);
  const got = await requested(app, '/rest/api/3/myself');
  assert.deepEqual([got.product, got.restPath, got.method], ['jira', '/rest/api/3/myself', 'GET']);
  const posted = await requested(app, {
    url: '/rest/api/3/issue', type: 'POST', contentType: 'application/json', data: '{"a":1}', headers: { Accept: 'application/json' },
  });
  assert.deepEqual([posted.method, posted.body], ['POST', '{"a":1}']);
  assert.deepEqual(
    ['accept', 'content-type', 'x-atlassian-token'].map((name) => posted.headers[name]),
    ['application/json', 'application/json', 'no-check'],
  );
});

await test('AP.request takes the options of Connect', async (page) => {
  const app = await openApp(page);
  const query = await requested(app, 'rest/api/3/search?a=1', { data: { jql: 'key = A-1' }, cache: false, experimental: true });
  assert.match(query.restPath, /^\/rest\/api\/3\/search\?a=1&jql=key\+%3D\+A-1&_=\d+$/);
  assert.equal(query.headers['x-experimentalapi'], 'opt-in');
  const form = await requested(app, { url: '/rest/x', type: 'put', data: { b: 'ü' } });
  assert.deepEqual([form.method, form.body, form.headers['content-type']],
    ['PUT', 'b=%C3%BC', 'application/x-www-form-urlencoded; charset=UTF-8']);
  const upload = await app.evaluate(async () => {
    const file = new File(['text'], 'note.txt', { type: 'text/plain' });
    const answer = await window.AP.request({
      url: '/rest/api/3/issue/A-1/attachments', type: 'POST', contentType: 'multipart/form-data', data: { file, comment: 'c' },
    });
    return JSON.parse(answer.body);
  });
  assert.equal(upload.isMultipartFormData, true);
  const sent = JSON.parse(upload.body);
  assert.deepEqual([sent.__fileName, sent.comment, atob(sent.file.split(',')[1])], ['note.txt', 'c', 'text']);
  assert.match(
    await failure(app, () => window.AP.request({
      url: '/rest/x', type: 'POST', contentType: 'multipart/form-data', data: { picture: new File([''], 'a') },
    })),
    /in the field "file", not in "picture"/,
  );
});

await test('AP.request answers with a body and an xhr', async (page) => {
  const app = await openApp(page);
  const answers = await app.evaluate(async () => {
    const { AP } = window;
    const { xhr } = await AP.request('/rest/api/3/myself');
    const bytes = await AP.request('/rest/attachment', { binaryAttachment: true });
    const called = await new Promise((resolve) => {
      AP.request({ url: '/rest/x', success: (body, text, { status }) => resolve([typeof body, text, status]) });
    });
    const refused = await new Promise((resolve) => {
      AP.request({ url: '/rest/missing', error: (xhr, text, err) => resolve([xhr.status, text, err]) });
    });
    const rejected = await AP.request('/rest/missing').catch(({ err, xhr }) => [err, xhr.status, xhr.responseText === err]);
    return { head: [xhr.status, xhr.getResponseHeader('X-Tested')], bytes: [...new Uint8Array(bytes.body)], called, refused, rejected };
  });
  const missing = '{"errorMessages":["There is none."]}';
  assert.deepEqual(answers, {
    head: [200, 'yes'], bytes: [0, 1, 254, 255], called: ['string', 'success', 200],
    refused: [404, 'error', missing], rejected: [missing, 404, true],
  });
});

await test('AP.request in Confluence begins below /wiki', async (page) => {
  const app = await openApp(page, 'banner');
  const [short, whole] = [await requested(app, '/rest/api/content'), await requested(app, '/wiki/api/v2/pages')];
  assert.deepEqual([short.product, short.restPath, whole.restPath], ['confluence', '/wiki/rest/api/content', '/wiki/api/v2/pages']);
});

await test('AP.request goes to paths of the site only', async (page) => {
  const app = await openApp(page);
  const paths = [
    '//evil.example/x', '/\\evil.example', '\\\\evil.example', 'https://evil.example/', 'javascript:alert(1)', '/rest/\n/x',
    '/.//evil.example', '/x/..//evil.example', '/rest/\u0000x', '/\t/evil.example', '/%2e//evil.example',
  ];
  for (const path of paths) {
    assert.match(await failure(app, (url) => window.AP.request(url), path), /is not a path of the site/, path);
  }
  assert.deepEqual(world.asked, []);
  // what is asked is what was looked at
  assert.equal((await requested(app, '/rest/../rest/%2e%2e/api')).restPath, '/api');
});

await test('AP.flag', async (page) => {
  const app = await openApp(page);
  await app.evaluate(() => {
    window.heard = [];
    window.AP.events.on('flag.action', (data) => window.heard.push(['action', data]));
    window.AP.events.on('flag.close', (data) => window.heard.push(['close', data]));
    const options = { title: 'Done', body: 'It is <b>done</b>.', type: 'Success', close: 'auto', actions: { undo: 'Undo' } };
    window.flag = window.AP.flag.create(options, (id) => window.heard.push(['id', id]));
  });
  const flag = page.locator('.flag.success', { hasText: 'It is <b>done</b>.' });
  await flag.getByRole('button', { name: 'Undo' }).click();
  const { id, ...shown } = await lastOp(page, 'showFlag');
  assert.deepEqual(shown, {
    title: 'Done', description: 'It is <b>done</b>.', type: 'success', isAutoDismiss: true,
    actions: [{ text: 'Undo', onClick: '<function>' }],
  });
  await app.evaluate(() => window.flag.close());
  await flag.waitFor({ state: 'detached' });
  const heard = await until(() => app.evaluate(() => window.heard.length === 3 && window.heard));
  assert.deepEqual(heard, [
    ['id', id], ['action', { flagIdentifier: id, actionIdentifier: 'undo' }], ['close', { flagIdentifier: id }],
  ]);
  await app.evaluate(() => window.AP.messages.warning('Careful', 'An older message', { fadeout: true }));
  await page.locator('.flag.warning', { hasText: 'An older message' }).waitFor();
});

await test('AP.events within the app, between its modules', async (page) => {
  await openProduct(page, 'panel,glance');
  const [panel, glance] = [await appPage(page, '/panel'), await appPage(page, '/glance')];
  await glance.evaluate(() => {
    window.heard = [];
    const note = (name) => (...data) => window.heard.push([name, ...data]);
    const { events } = window.AP;
    window.listener = note('on');
    events.on('changed', window.listener);
    events.once('changed', note('once'));
    events.onAny(note('any'));
    events.onPublic('changed', note('public'));
  });
  const subscribed = (kind) => until(() => page.evaluate((of) => window.forgeProduct.subscriptions(of, 'changed'), kind));
  await subscribed('app');
  await subscribed('public');
  const emit = (name, ...data) => panel.evaluate(([event, ...rest]) => window.AP.events[event]('changed', ...rest), [name, ...data]);
  const heard = (count) => until(() => glance.evaluate((length) => window.heard.length >= length && window.heard.splice(0), count));
  await emit('emit', 1, { a: 2 });
  assert.deepEqual(await heard(3), [
    ['on', 1, { a: 2 }], ['once', 1, { a: 2 }], ['any', 'changed', 1, { a: 2 }, { name: 'changed', args: [1, { a: 2 }] }],
  ]);
  await emit('emit', 2);
  assert.deepEqual((await heard(2)).map(([name]) => name), ['on', 'any']);
  await emit('emitPublic', 3);
  assert.deepEqual(await heard(1), [['public', 3]]);
  await glance.evaluate(() => window.AP.events.off('changed', window.listener));
  await emit('emit', 4);
  assert.deepEqual((await heard(1)).map(([name]) => name), ['any']);
  // with the document its subscriptions go
  await leave(glance, () => location.reload());
  await until(() => page.evaluate(() => window.forgeProduct.subscriptions('app', 'changed') === 0));
  const again = await appPage(page, '/glance');
  assert.equal(await again.evaluate(() => window.heard), undefined);
});

await test('AP.events.once and off let go of one listener only', async (page) => {
  const app = await openApp(page);
  await app.evaluate(() => {
    window.count = 0;
    window.ends = 0;
    window.listener = () => { window.count += 1; };
    const { events } = window.AP;
    events.on('counted', window.listener);
    events.once('counted', window.listener);
    events.on('counted', window.listener);
    events.on('counted', () => { window.ends += 1; });
  });
  await until(() => page.evaluate(() => window.forgeProduct.subscriptions('app', 'counted')));
  const counted = async () => {
    const before = await app.evaluate(() => window.ends);
    await app.evaluate(() => { window.count = 0; window.AP.events.emit('counted'); });
    await until(() => app.evaluate((ends) => window.ends > ends, before));
    return app.evaluate(() => window.count);
  };
  assert.equal(await counted(), 3);
  assert.equal(await counted(), 2);
  await app.evaluate(() => window.AP.events.off('counted', window.listener));
  assert.equal(await counted(), 1);
  await app.evaluate(() => window.AP.events.off('counted', window.listener));
  assert.equal(await counted(), 0);
});

await test('a filter of public events sees nobody', async (page, said) => {
  const app = await openApp(page);
  await app.evaluate(() => {
    window.heard = [];
    window.AP.events.onPublic('x', () => window.heard.push('object'), { key: 'other' });
    window.AP.events.onPublic('x', () => window.heard.push('function'), (sender) => Object.keys(sender).length === 0);
  });
  await until(() => page.evaluate(() => window.forgeProduct.subscriptions('public', 'x')));
  await app.evaluate(() => window.AP.events.emitPublic('x'));
  await until(() => app.evaluate(() => window.heard.length));
  assert.deepEqual(await app.evaluate(() => window.heard), ['function']);
  assert.equal(said.filter((line) => line.includes('Forge does not reveal the sender')).length, 1);
});

await test('AP.navigator.go', async (page) => {
  const app = await openApp(page);
  const gone = async (target, context) => {
    await app.evaluate(([to, details]) => window.AP.navigator.go(to, details), [target, context]);
    return lastOp(page, 'navigate');
  };
  const type = 'same-tab';
  const rows = [
    ['issue', { issueKey: 'A-1' }, { target: 'issue', issueKey: 'A-1', type }],
    ['dashboard', { dashboardId: 5 }, { target: 'dashboard', dashboardId: '5', type }],
    ['userProfile', { userAccountId: 'u' }, { target: 'userProfile', accountId: 'u', type }],
    ['projectAdminSummary', { projectKey: 'A' }, { target: 'projectSettingsDetails', projectKey: 'A', type }],
    ['projectAdminTabPanel', { projectKey: 'A', adminPageKey: 'm' }, { target: 'module', moduleKey: 'm', projectKey: 'A', type }],
    ['addonModule', { moduleKey: 'm', spaceKey: 'S' }, { target: 'module', moduleKey: 'm', spaceKey: 'S', type }],
    ['contentview', { contentId: '9' }, { target: 'contentView', contentId: '9', type }],
    ['contentedit', { contentId: '9' }, { target: 'contentEdit', contentId: '9', type }],
    ['contentlist', { spaceKey: 'S', contentType: 'blogpost' }, { target: 'contentList', contentType: 'blogpost', spaceKey: 'S', type }],
    ['spaceview', { spaceKey: 'S' }, { target: 'spaceView', spaceKey: 'S', type }],
    ['spacetools', { spaceKey: 'S' }, { url: '/wiki/spaces/viewspacesummary.action?key=S', type }],
    ['site', { relativeUrl: '/browse/A-1?x=1' }, { url: '/browse/A-1?x=1', type }],
    ['site', { absoluteUrl: `${world.product}/browse/A-1` }, { url: '/browse/A-1', type }],
  ];
  for (const [target, context, expected] of rows) assert.deepEqual(await gone(target, context), expected, target);
  const before = (await ops(page, 'navigate')).length;
  assert.match(await failure(app, () => window.AP.navigator.go('moon')), /cannot navigate to the target "moon"/);
  assert.match(await failure(app, () => window.AP.navigator.go('constructor')), /cannot navigate to the target/);
  assert.match(await failure(app, () => window.AP.navigator.go('issue', {})), /needs "issueKey"/);
  assert.match(await failure(app, () => window.AP.navigator.go('site', { relativeUrl: '//evil.example' })), /not a path of the site/);
  assert.match(await failure(app, () => window.AP.navigator.go('site', { absoluteUrl: 'https://evil.example/' })), /is not this site/);
  assert.equal((await ops(page, 'navigate')).length, before);
});

await test('AP.navigator.getLocation and reload', async (page) => {
  const app = await openApp(page);
  assert.deepEqual(await app.evaluate(() => window.AP.navigator.getLocation()), {
    target: 'issue', context: { issueKey: 'ISSUE-7', issueId: '10001', projectKey: 'ISSUE' },
  });
  await page.evaluate(() => window.held.add('reload'));
  await app.evaluate(() => window.AP.navigator.reload());
  assert.equal((await ops(page, 'reload')).length, 1);
});

await test('AP.history on a page that has one', async (page) => {
  const app = await openApp(page, 'global');
  const { history } = await app.evaluate(async () => {
    const { history } = window.AP;
    window.popped = [];
    history.popState((event) => window.popped.push(event));
    await history.pushState('one');
    await history.pushState('two?x=1');
    return { history: [await history.getState(), await history.getState('all')] };
  });
  assert.equal(history[0], 'two?x=1');
  assert.deepEqual([history[1].hash, history[1].href], ['two?x=1', `${world.product}/jira/apps/x`]);
  assert.match(page.url(), /#\/two\?x=1$/);
  await app.evaluate(() => window.AP.history.back());
  const [popped] = await until(() => app.evaluate(() => window.popped.length && window.popped));
  assert.deepEqual([popped.hash, popped.newURL, popped.oldURL], ['one', 'one', 'two?x=1']);
  await app.evaluate(() => window.AP.history.replaceState('three'));
  assert.match(page.url(), /#\/three$/);
  assert.equal(await app.evaluate(() => new Promise((resolve) => window.AP.history.getState('hash', resolve))), 'three');
});

await test('AP.history elsewhere is an error', async (page) => {
  const app = await openApp(page);
  assert.match(await failure(app, () => window.AP.history.pushState('one')), /has no history/);
});

await test('AP.history does not lead out of the page of the app', async (page) => {
  const app = await openApp(page, 'global');
  for (const state of ['..', '../other', 'a/../../b', '%2E%2e/b', 'a/./b', 'a\\..\\b', '.\t./b']) {
    assert.match(await failure(app, (one) => window.AP.history.pushState(one), state), /is not a state/, state);
  }
  await app.evaluate(() => window.AP.history.pushState('a..b/...?x=../y'));
  assert.match(page.url(), /#\/a\.\.b\/\.\.\.\?x=\.\.\/y$/);
});

await test('a callback is called after a failure too, and its own exception is told with its stack', async (page, said) => {
  const app = await openApp(page);
  const counts = await app.evaluate(async () => {
    const { AP } = window;
    const called = (run) => new Promise((resolve) => run((...parameters) => resolve(parameters.length)));
    return [
      await called((done) => AP.history.pushState('one', done)),
      await called((done) => AP.jira.openDatePicker(done)),
      await called((done) => AP.getLocation(done)),
    ];
  });
  assert.deepEqual(counts, [0, 0, 1]);
  const location = await app.evaluate(() => window.AP.getLocation(function mine() { throw new TypeError('my own mistake'); }));
  assert.equal(location, `${world.product}/browse/ISSUE-7`);
  await until(() => said.some((line) => /my own mistake[^]* at mine /.test(line)));
}, { expected: [/my own mistake/] });

await test('what cannot be posted is left out', async (page) => {
  await openProduct(page, 'panel,glance');
  const [panel, glance] = [await appPage(page, '/panel'), await appPage(page, '/glance')];
  await glance.evaluate(() => { window.AP.events.on('given', (...data) => { window.heard = data; }); });
  await until(() => page.evaluate(() => window.forgeProduct.subscriptions('app', 'given')));
  await panel.evaluate(() => {
    const same = { a: 1 };
    const data = { run() {}, symbol: Symbol('s'), none: undefined, date: new Date(0), url: new URL('https://a.example/'), twice: [same, same] };
    data.self = data;
    window.AP.events.emit('given', data, () => {}, new Uint8Array([1, 2]));
  });
  await until(() => glance.evaluate(() => window.heard));
  assert.deepEqual(await glance.evaluate(() => window.heard), [
    { date: new Date(0), url: 'https://a.example/', twice: [{ a: 1 }, { a: 1 }] }, undefined, new Uint8Array([1, 2]),
  ]);
});

await test('AP.page.setTitle', async (page) => {
  const app = await openApp(page, 'global');
  await app.evaluate(() => window.AP.page.setTitle('A title'));
  assert.equal(await page.title(), 'A title');
});

await test('what Forge cannot do is said once, and rejected', async (page, said) => {
  const app = await openApp(page);
  const errors = await app.evaluate(async () => {
    const { AP } = window;
    const why = (promise) => promise.catch((error) => error.message);
    return [
      await why(AP.jira.openDatePicker({})), await why(AP.jira.openDatePicker({})), await why(AP.dropdown.create({})),
      await why(AP.scrollPosition.getPosition(() => {})), await why(AP.jira.setDashboardItemTitle('x')),
    ];
  });
  for (const error of errors) assert.match(error, /does not exist on Forge/);
  assert.equal(said.filter((line) => line.includes('AP.jira.openDatePicker')).length, 1);
  await app.evaluate(() => {
    const { AP } = window;
    for (const call of [() => AP.define('x', {}), () => AP.register({}), () => AP.registerAny(() => {}), () => AP._util.each([])]) {
      call();
      call();
    }
  });
  for (const name of ['define', 'register', 'registerAny', '_util']) {
    assert.equal(said.filter((line) => line.includes(`AP.${name} does nothing`)).length, 1, name);
  }
  assert.equal(await app.evaluate(() => window.AP.env.getLocation()), `${world.product}/browse/ISSUE-7`);
  assert.equal(await app.evaluate(() => new Promise((resolve) => window.AP.require(['request', 'jira'], (request, jira) =>
    resolve(request === window.AP.request && jira === window.AP.jira)))), true);
});

await test('the shell has no operations but those of its table', async (page) => {
  const app = await openApp(page);
  const answers = await app.evaluate(async (shell) => {
    const port = await new Promise((resolve) => {
      window.addEventListener('message', ({ ports }) => resolve(ports[0]), { once: true });
      window.parent.postMessage({ connect: 'hello', protocol: 1 }, shell);
    });
    const ask = (call, argument) => new Promise((resolve) => {
      port.onmessage = ({ data }) => resolve(data.error ?? data.value);
      port.postMessage({ call, id: 1, argument });
    });
    return [await ask('constructor'), await ask('__proto__'), await ask('invoke', { path: '/x' }), await ask('resize', null)];
  }, world.shell);
  assert.deepEqual(answers.slice(0, 3).map((answer) => /has no operation/.test(answer)), [true, true, true]);
  assert.equal((await ops(page)).filter(({ op, payload }) => op === 'invoke' && payload.path === '/x').length, 0);
  await shellFrame(page);
});
