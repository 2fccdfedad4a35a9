// AP.jira and AP.confluence.
import assert from 'node:assert/strict';
import { leave } from '../leaving.mjs';
import { failure, lastOp, openApp, openProduct, ops, test, until } from './harness.mjs';
import { world } from './world.mjs';

await test('AP.jira: issues', async (page) => {
  const app = await openApp(page);
  await app.evaluate(() => window.AP.jira.refreshIssuePage());
  assert.equal((await ops(page, 'refreshIssueView')).length, 1);
  const created = app.evaluate(() => new Promise((resolve) => {
    window.AP.jira.openCreateIssueDialog(resolve, { pid: 10000, issueType: 1, fields: { summary: 'Hello' } });
  }));
  await page.getByRole('button', { name: 'Create' }).click();
  assert.deepEqual(await created, [{ id: '10042' }]);
  assert.deepEqual((await lastOp(page, 'openIssueCreateModal')).data.context, { projectId: '10000', issueTypeId: '1', summary: 'Hello' });
  const opened = app.evaluate(() => new Promise((resolve) => window.AP.jira.openIssueDialog('ISSUE-9', resolve)));
  await page.getByRole('button', { name: 'Done' }).click();
  assert.equal(await opened, 'ISSUE-9');
});

await test('AP.jira: the configuration of a workflow rule', async (page) => {
  const app = await openApp(page, 'rule');
  assert.equal(await app.evaluate(() => new Promise((resolve) => window.AP.jira.getWorkflowConfiguration(resolve))), '{"color":"red"}');
  await app.evaluate(() => {
    window.isValid = true;
    window.AP.jira.WorkflowConfiguration.onSaveValidation(() => window.isValid);
    window.AP.jira.WorkflowConfiguration.onSave(() => '{"color":"blue"}');
  });
  await until(async () => (await ops(page, 'setWorkflowRuleConfigurationCallback')).length === 2);
  const save = () => page.evaluate(() => window.forgeProduct.saveWorkflowRule('local-rule'));
  assert.equal(await save(), '{"color":"blue"}');
  assert.deepEqual(await app.evaluate(() => window.AP.jira.WorkflowConfiguration.trigger()), { valid: true, value: '{"color":"blue"}' });
  await app.evaluate(() => { window.isValid = false; });
  assert.equal(await save(), undefined);
});

await test('AP.jira: a workflow rule whose listeners are asynchronous, fail or never answer', async (page, said) => {
  const app = await openApp(page, 'rule');
  const offer = (run) => app.evaluate(run);
  const save = () => page.evaluate(() => window.forgeProduct.saveWorkflowRule('local-rule'));
  await offer(() => {
    window.AP.jira.WorkflowConfiguration.onSaveValidation(async () => true);
    window.AP.jira.WorkflowConfiguration.onSave(async () => '{"color":"green"}');
  });
  await until(async () => (await ops(page, 'setWorkflowRuleConfigurationCallback')).length === 2);
  assert.equal(await save(), '{"color":"green"}');
  await offer(() => window.AP.jira.WorkflowConfiguration.onSave(() => { throw new Error('my own mistake'); }));
  assert.equal(await save(), undefined);
  await offer(() => window.AP.jira.WorkflowConfiguration.onSaveValidation(() => Promise.reject(new Error('and another'))));
  assert.equal(await save(), undefined);
  assert.ok(['my own mistake', 'and another'].every((words) => said.some((line) => line.includes(words))));
  await offer(() => {
    window.AP.jira.WorkflowConfiguration.onSaveValidation(() => {
      window.isAsked = true;
      return new Promise(() => {});
    });
  });
  const saved = save();
  await until(() => app.evaluate(() => window.isAsked));
  await leave(app, () => location.reload());
  assert.equal(await saved, undefined);
}, { expected: [/my own mistake|and another/] });

await test('AP.jira: a dashboard item', async (page) => {
  const gadget = await openApp(page, 'gadget');
  assert.equal(await gadget.evaluate(() => window.AP.jira.isDashboardItemEditable()), true);
  assert.deepEqual(await gadget.evaluate(() => window.AP.context.getContext()), { jira: { dashboard: { id: '5' }, dashboardItem: { id: '6' } } });
});

await test('AP.jira: not a dashboard item', async (page) => {
  const panel = await openApp(page, 'panel');
  assert.equal(await panel.evaluate(() => window.AP.jira.isDashboardItemEditable()), false);
});

await test('AP.confluence: a macro, whose data never stand in a URL', async (page) => {
  const app = await openApp(page, 'macro');
  const { confluence } = await app.evaluate(async () => {
    const { confluence } = window.AP;
    return { confluence: [await confluence.getMacroData(), await confluence.getMacroBody()] };
  });
  assert.deepEqual(confluence, [{ color: 'red' }, '{"type":"doc","version":1,"content":[]}']);
  const body = { type: 'doc', version: 1, content: [{ type: 'rule' }] };
  await app.evaluate((text) => window.AP.confluence.saveMacro({ color: 'secret-blue' }, text), JSON.stringify(body));
  assert.deepEqual(await lastOp(page, 'submit'), { config: { color: 'secret-blue' }, body });
  assert.deepEqual(await app.evaluate(() => window.AP.confluence.getMacroData()), { color: 'secret-blue' });
  assert.deepEqual(JSON.parse(await app.evaluate(() => window.AP.confluence.getMacroBody())), body);
  assert.match(await failure(app, () => window.AP.confluence.saveMacro({}, '<p>storage</p>')), /Atlassian Document Format/);
  assert.equal(page.frames().some((frame) => frame.url().includes('secret-blue')), false);
  await app.evaluate(() => window.AP.confluence.closeMacroEditor()).catch(() => {});
  await until(() => page.evaluate(() => !document.querySelector('.forge-module iframe')));
});

await test('AP.confluence: the editor of a macro has its buttons', async (page) => {
  world.part = 'editor';
  const app = await openApp(page, 'macro');
  await app.evaluate(() => {
    window.AP.dialog.getButton('submit').bind(() => {
      window.AP.confluence.saveMacro({ color: 'green' });
      return true;
    });
  });
  await page.frameLocator('.forge-module iframe').getByRole('button', { name: 'Submit' }).click();
  await until(async () => (await ops(page, 'close')).length === 1);
  assert.deepEqual(await lastOp(page, 'submit'), { config: { color: 'green' } });
});

await test('AP.confluence: a macro on its page has no buttons', async (page) => {
  const app = await openApp(page, 'macro');
  const refused = page.waitForEvent('console', (message) => message.text().includes('not in a dialog with buttons'));
  await app.evaluate(() => window.AP.dialog.createButton({ text: 'Mine', identifier: 'mine' }));
  await refused;
  assert.equal(await page.frameLocator('.forge-module iframe').getByRole('button').count(), 0);
}, { expected: [/not in a dialog with buttons/] });

await test('AP.confluence: properties of the content, by REST', async (page) => {
  const app = await openApp(page, 'banner');
  const answers = await app.evaluate(async () => {
    const { confluence } = window.AP;
    const called = (run) => new Promise((resolve) => run(resolve));
    return [
      await called((done) => confluence.getContentProperty('color', done)),
      await called((done) => confluence.setContentProperty({ key: 'color', value: 'red' }, done)),
      await called((done) => confluence.getContentProperty('color', done)),
      await called((done) => confluence.setContentProperty({ key: 'color', value: 'blue' }, done)),
    ];
  });
  assert.deepEqual(answers, [
    null,
    { property: { id: '1', key: 'color', value: 'red', version: { number: 1 } } },
    { id: '1', key: 'color', value: 'red', version: { number: 1 } },
    { property: { id: '1', key: 'color', value: 'blue', version: { number: 2 } } },
  ]);
  assert.equal(world.asked[0].restPath, '/wiki/api/v2/pages/98305/properties?key=color');
});

await test('AP.confluence: no content, no properties', async (page) => {
  const app = await openApp(page, 'panel');
  const { error } = await app.evaluate(() => window.AP.confluence.setContentProperty({ key: 'a', value: 1 }));
  assert.match(error, /no content here/);
});

await test('AP.cookie keeps values of the app', async (page) => {
  await openProduct(page, 'panel');
  const app = await openApp(page, 'panel');
  await app.evaluate(() => window.AP.cookie.save('a;b', 'ü=1', 1));
  const read = (frame) => frame.evaluate(() => new Promise((resolve) => window.AP.cookie.read('a;b', resolve)));
  assert.equal(await read(app), 'ü=1');
  const again = await openApp(page, 'panel');
  assert.equal(await read(again), 'ü=1');
  await again.evaluate(() => window.AP.cookie.erase('a;b'));
  assert.equal(await read(again), undefined);
});
