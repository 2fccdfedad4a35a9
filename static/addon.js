// The script of the add-on's pages. No framework: fork and replace it.
(function () {
  'use strict';
  var AP = window.AP;
  var meta = function (name) { return document.querySelector('meta[name=' + name + ']').content; };
  var base = meta('ap-local-base-url');
  var token = meta('token');

  // follow the host's theme, light or dark
  if (AP && AP.theming && AP.theming.initializeTheming) AP.theming.initializeTheming();

  // The page has a session token. A page without one (a cached iframe) asks the host for a context token.
  function currentToken() {
    if (token || !AP || !AP.context) return Promise.resolve(token);
    return AP.context.getToken();
  }

  // Calls the add-on. Every answer has a fresh session token in X-acpt; an expired token is replaced once.
  function call(path, again) {
    return currentToken().then(function (current) {
      return fetch(base + path, { headers: { Authorization: 'JWT ' + current, Accept: 'application/json' } });
    }).then(function (response) {
      if (response.status === 401 && token && AP && AP.context && !again) {
        token = '';
        return call(path, true);
      }
      token = response.headers.get('X-acpt') || token;
      return response.json().then(function (body) {
        if (!response.ok) throw new Error(body.message || 'The add-on answered ' + response.status + '.');
        return body;
      });
    });
  }

  var user = document.getElementById('user');
  if (user) {
    call('/api/me').then(
      function (answer) {
        var known = answer.status === 200;
        user.textContent = known ? answer.body.displayName : 'the host answered ' + answer.status;
        if (known) document.getElementById('greeting').textContent = answer.body.displayName;
      },
      function (error) { user.textContent = error.message; }
    );
  }

  // Sends the forms of the page without leaving it, so that "back" never repeats a form. The answer is the page again:
  // its content replaces the current one. Without this script the forms still work.
  document.addEventListener('submit', function (event) {
    var form = event.target;
    if (form.method !== 'post' || form.hasAttribute('data-plain')) return;
    event.preventDefault();
    var button = form.querySelector('button[type=submit]');
    if (button) button.disabled = true;
    var fields = new URLSearchParams(new FormData(form));
    // the token in the form may be old: use the newest one, and replace an expired one once
    var send = function (current, again) {
      if (current) fields.set('jwt', current);
      return fetch(form.action, { method: 'POST', body: fields, headers: { Accept: 'text/html' } }).then(function (response) {
        if (response.status === 401 && AP && AP.context && !again) {
          return AP.context.getToken().then(function (fresh) { return send(fresh, true); });
        }
        token = response.headers.get('X-acpt') || token;
        return response.text();
      });
    };
    send(token).then(function (html) {
      var answer = new DOMParser().parseFromString(html, 'text/html');
      var content = document.getElementById('content');
      var page = answer.getElementById('content');
      if (!page) {
        // an error page: the input stays, and the page can be used again
        var message = answer.getElementById('message');
        throw new Error(message ? message.textContent : 'The add-on did not answer.');
      }
      content.replaceChildren.apply(content, Array.from(page.childNodes));
      var next = content.querySelector('[aria-invalid=true], [role=status], [role=alert], h1');
      if (next) { next.tabIndex = next.tabIndex < 0 ? -1 : next.tabIndex; next.focus(); }
    }).catch(function (error) {
      if (button) button.disabled = false;
      var problem = form.querySelector('.problem') || form.appendChild(document.createElement('p'));
      problem.className = 'problem';
      problem.setAttribute('role', 'alert');
      problem.textContent = error.message;
    });
  });

  window.addon = { call: call };
})();
