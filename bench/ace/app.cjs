// The app of the benchmarks on ACE, in production: the same routes and pages.
'use strict';
const path = require('node:path');
const express = require('express');
const bodyParser = require('body-parser');
const hbs = require('express-hbs');
const ace = require('atlassian-connect-express');

const app = express();
const store = { adapter: 'sequelize', dialect: 'sqlite', storage: process.env.DATABASE, logging: false };
const config = { port: process.env.PORT, localBaseUrl: process.env.BASE, store, whitelist: ['*.atlassian.net'] };
const addon = ace(app, { config: { production: config } });
app.engine('hbs', hbs.express4());
app.set('view engine', 'hbs');
app.set('views', path.join(__dirname, 'views'));
app.use(bodyParser.json());
app.use(addon.middleware());

const NAMES = ['title', 'addonKey', 'localBaseUrl', 'hostBaseUrl', 'hostUrl', 'hostStylesheetUrl', 'hostScriptUrl', 'token',
  'license', 'context', 'clientKey', 'userAccountId', 'userId', 'timezone', 'locale'];
app.get('/hello-world', addon.authenticate(), (request, response) => {
  const context = Object.fromEntries(NAMES.map(name => [name, response.locals[name] ?? null]));
  const json = JSON.stringify(context).replace(/[<>&\u2028\u2029]/g, c => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
  response.render('page', { contextJson: json });
});
app.get('/api/session', addon.checkValidToken(), ({ context }, response) => response.json({
  clientKey: context.clientKey, userAccountId: context.userAccountId ?? null, context: context.context ?? null
}));
addon.on('jira:issue_created', () => {});
app.get('/healthz', (request, response) => response.send('ok'));
app.listen(Number(process.env.PORT), '127.0.0.1');
