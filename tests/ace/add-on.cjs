// An add-on on ACE that exposes its settings to the test.
'use strict';
const express = require('express');
const bodyParser = require('body-parser');
const ace = require('atlassian-connect-express');

const app = express();
const config = { port: process.env.PORT, localBaseUrl: process.env.BASE, store: JSON.parse(process.env.STORE), errorTemplate: false };
const addon = ace(app, { config: { production: config } });
app.use(bodyParser.json());
app.use(addon.middleware());
app.get('/hello-world', addon.authenticate(), (request, response) => response.json({ clientKey: request.context.clientKey }));

const calls = {
  get: ({ key, clientKey }) => addon.settings.get(key, clientKey),
  set: ({ key, clientKey, value }) => addon.settings.set(key, value, clientKey),
  all: async () => (await addon.settings.getAllClientInfos()).map(info => info?.clientKey),
  appToken: ({ id }) => addon.getForgeAppToken(id),
  getForge: ({ id, key }) => addon.settings.forForgeInstallation(id).get(key),
  setForge: ({ id, key, value }) => addon.settings.forForgeInstallation(id).set(key, value),
  ofInstallation: async ({ id }) => (await addon.settings.getClientSettingsForForgeInstallation(id))?.clientKey
};
app.post('/settings/:call', (request, response, next) => {
  calls[request.params.call](request.body).then(value => response.json({ value: value ?? null })).catch(next);
});
app.get('/healthz', (request, response) => response.send('ok'));
app.listen(Number(process.env.PORT), '127.0.0.1');
