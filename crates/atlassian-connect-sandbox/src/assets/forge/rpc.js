// Calls over a MessagePort, in which functions cross as proxies, both ways, as they do over Forge's own bridge.
// Both the product's page and global-bridge.js load this file first.
globalThis.forgeRpc = (port, answer) => {
  'use strict';

  const functions = new Map();
  const calls = new Map();
  let count = 0;

  const isPlain = (value) => value && Object.getPrototypeOf(value) === Object.prototype;
  const each = (value, change) =>
    Array.isArray(value) ? value.map(change)
      : isPlain(value) ? Object.fromEntries(Object.entries(value).map(([name, item]) => [name, change(item)]))
        : value;

  function encode(value) {
    if (typeof value !== 'function') return each(value, encode);
    const id = `${++count}`;
    functions.set(id, value);
    return { forgeFunction: id };
  }

  function decode(value) {
    const id = isPlain(value) ? value.forgeFunction : undefined;
    return id === undefined ? each(value, decode) : (...parameters) => call(`function ${id}`, parameters);
  }

  function call(name, parameters) {
    return new Promise((resolve, reject) => {
      const id = ++count;
      calls.set(id, { resolve, reject });
      port.postMessage({ id, name, parameters: encode(parameters) });
    });
  }

  port.onmessage = async ({ data }) => {
    if ('outcome' in data) {
      const { resolve, reject } = calls.get(data.outcome);
      calls.delete(data.outcome);
      return 'error' in data ? reject(new Error(data.error)) : resolve(decode(data.value));
    }
    try {
      const parameters = decode(data.parameters);
      const [, id] = /^function (.+)$/.exec(data.name) ?? [];
      const value = await (id ? functions.get(id)(...parameters) : answer(data.name, ...parameters));
      port.postMessage({ outcome: data.id, value: encode(value) });
    } catch (error) {
      port.postMessage({ outcome: data.id, error: String(error?.message ?? error) });
    }
  };
  return (name, ...parameters) => call(name, parameters);
};
