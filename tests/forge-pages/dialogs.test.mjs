// AP.dialog: the same shell in a dialog of the host, with the page of another module.
import assert from 'node:assert/strict';
import { leave } from '../leaving.mjs';
import { appPage, failure, lastOp, openApp, openProduct, test, until } from './harness.mjs';
import { world } from './world.mjs';

/** Opens the dialog from the panel. `window.endings` of the panel gets what comes of its end. */
async function openDialog(page, options = {}) {
  const panel = await openApp(page);
  await panel.evaluate((given) => {
    window.endings = [];
    window.AP.events.on('dialog.close', (data) => window.endings.push(['event', data]));
    window.AP.dialog.create({ key: 'dialog', ...given }).on('close', (data) => window.endings.push(['on', data]));
  }, options);
  return { panel, dialog: await appPage(page, '/dialog') };
}

const closed = (panel) => until(() => panel.evaluate(() => window.endings.length && window.endings));
const button = (page, name) => page.frameLocator('dialog iframe').locator('.footer').getByRole('button', { name });

await test('a dialog opens the page of its module, and what it is given stays in the browser', async (page) => {
  const { panel, dialog } = await openDialog(page, { header: 'A header', size: 'x-large', customData: { secret: 'words' } });
  const { onClose, ...modal } = await lastOp(page, 'openModal');
  assert.deepEqual(modal, {
    resource: null, size: 'xlarge', title: 'A header', icon: '', closeOnEscape: true, closeOnOverlayClick: false,
    context: { connect: { moduleKey: 'dialog', customData: { secret: 'words' } } },
  });
  assert.equal(onClose, '<function>');
  assert.equal(world.opened.at(-1).moduleKey, 'dialog');
  assert.equal(JSON.stringify(world.invoked).includes('words'), false);
  assert.equal(page.frames().some((frame) => frame.url().includes('words')), false);
  const data = await dialog.evaluate(async () => [
    await window.AP.dialog.getCustomData(), window.AP.dialog.customData,
    await new Promise((resolve) => window.AP.dialog.getCustomData(resolve)),
  ]);
  assert.deepEqual(data, Array(3).fill({ secret: 'words' }));
  assert.deepEqual(await dialog.evaluate(() => window.AP.context.getContext()), await panel.evaluate(() => window.AP.context.getContext()));
  await leave(dialog, () => window.AP.dialog.close({ done: 1 }));
  assert.deepEqual(await closed(panel), [['on', { done: 1 }], ['event', { done: 1 }]]);
  await page.locator('dialog').waitFor({ state: 'detached' });
});

await test('a dialog of a size of its own', async (page) => {
  const { panel } = await openDialog(page, { width: 500, height: '40%', closeOnEscape: false });
  const { size, closeOnEscape } = await lastOp(page, 'openModal');
  assert.deepEqual([size, closeOnEscape], [{ width: '500px', height: '40%' }, false]);
  await page.locator('dialog').getByRole('button', { name: 'Close', exact: true }).click();
  assert.deepEqual(await closed(panel), [['on', undefined], ['event', undefined]]);
});

await test('the page in a dialog fills it', async (page) => {
  const { dialog } = await openDialog(page, { chrome: true, hint: 'A hint' });
  await page.frameLocator('dialog iframe').getByText('A hint').waitFor();
  await dialog.evaluate(() => window.AP.resize('100%', '3000'));
  const { inner, outer, footer } = await page.frameLocator('dialog iframe').locator('iframe').evaluate((frame) => ({
    inner: frame.getBoundingClientRect().height,
    outer: window.innerHeight,
    footer: document.querySelector('.footer').getBoundingClientRect().height,
  }));
  assert.ok(footer > 20 && Math.abs(inner + footer - outer) < 2, JSON.stringify({ inner, outer, footer }));
  assert.equal(await dialog.evaluate(() => document.body.style.margin), '10px 10px 0px');
});

await test('the buttons of a dialog with chrome', async (page) => {
  const buttons = [{ text: 'More', identifier: 'more' }];
  const { panel, dialog } = await openDialog(page, { chrome: true, submitText: 'Save', cancelText: 'Leave', buttons });
  await dialog.evaluate(() => {
    window.heard = [];
    const { dialog, events } = window.AP;
    window.mayClose = false;
    dialog.getButton('submit').bind(() => { window.heard.push('submit'); return window.mayClose; });
    dialog.getButton('more').bind(() => window.heard.push('more'));
    dialog.createButton({ text: 'New', identifier: 'new' }).bind(() => window.heard.push('new'));
    events.on('dialog.button.click', ({ button }) => window.heard.push(button));
    events.on('dialog.submit', () => window.heard.push('event'));
  });
  const heard = (count) => until(() => dialog.evaluate((length) => window.heard.length >= length && window.heard.splice(0), count));
  await button(page, 'More').click();
  assert.deepEqual(await heard(2), ['more', { name: 'more', identifier: 'more', text: 'More' }]);
  await button(page, 'New').click();
  assert.deepEqual(await heard(2), ['new', { name: 'new', identifier: 'new', text: 'New' }]);
  await button(page, 'Save').click();
  assert.deepEqual(await heard(3), ['event', 'submit', { name: 'submit', identifier: 'submit', text: 'Save' }]);
  const states = await dialog.evaluate(async () => {
    const submit = window.AP.dialog.getButton('submit');
    const isEnabled = () => new Promise((resolve) => submit.isEnabled(resolve));
    const seen = [await isEnabled()];
    await submit.disable();
    seen.push(await isEnabled());
    await submit.toggle();
    seen.push(await isEnabled());
    await submit.hide();
    seen.push(await submit.isHidden());
    await submit.show();
    window.mayClose = true;
    return seen;
  });
  assert.deepEqual(states, [true, false, true, true]);
  const unknown = await dialog.evaluate(async () => {
    const nobody = window.AP.dialog.getButton('nobody');
    nobody.bind(() => window.heard.push('nobody'));
    await nobody.enable();
    await nobody.show();
    await nobody.trigger();
    return [await nobody.isEnabled(), await nobody.isHidden()];
  });
  assert.deepEqual(unknown, [false, true]);
  assert.deepEqual(
    await page.frameLocator('dialog iframe').locator('.footer button').allTextContents(),
    ['More', 'Save', 'Leave', 'New'],
  );
  await button(page, 'Save').click();
  assert.equal((await closed(panel)).length, 2);
});

await test('Cancel closes a dialog whose page has nothing against it', async (page) => {
  const { panel } = await openDialog(page, { chrome: true });
  await button(page, 'Cancel').click();
  assert.equal((await closed(panel)).length, 2);
});

await test('a submit that shall not close', async (page) => {
  const { dialog } = await openDialog(page, { chrome: true });
  await dialog.evaluate(() => {
    window.heard = 0;
    window.AP.dialog.disableCloseOnSubmit();
    window.AP.events.on('dialog.button.click', () => { window.heard += 1; });
  });
  await button(page, 'Submit').click();
  await until(() => dialog.evaluate(() => window.heard));
  // an answer of the shell comes after a closing that was asked before it
  await dialog.evaluate(() => window.AP.getLocation());
  assert.equal(await page.locator('dialog').count(), 1);
});

await test('a dialog without chrome has no buttons, and a panel has none', async (page) => {
  const { panel, dialog } = await openDialog(page);
  for (const frame of [panel, dialog]) {
    assert.match(await failure(frame, () => window.AP.dialog.getButton('submit').enable()), /not in a dialog with buttons/);
  }
  assert.equal(await page.frameLocator('dialog iframe').locator('.footer').count(), 0);
});

await test('a dialog of a module that does not exist shows the error of the backend', async (page) => {
  const panel = await openApp(page);
  await panel.evaluate(() => { window.AP.dialog.create({ key: 'nothing' }); });
  await page.frameLocator('dialog iframe').getByText('The app has no module "nothing".').waitFor();
});

await test('AP.inlineDialog.hide closes what the host shows in a dialog', async (page) => {
  const action = await openApp(page, 'action');
  await action.evaluate(() => window.AP.inlineDialog.hide()).catch(() => {});
  await until(() => page.evaluate(() => !document.querySelector('.forge-module iframe')));
});

await test('a panel cannot be closed', async (page) => {
  await openProduct(page, 'panel');
  assert.match(await failure(await appPage(page), () => window.AP.hide()), /not closable/);
});
