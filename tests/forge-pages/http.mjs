// One server for all the hosts of the test: names below .localhost lead here, and are sites of their own for a browser.
import http from 'node:http';

/** `handlers`: what answers, by the name of the host. */
export async function serve(handlers) {
  const server = http.createServer(async (request, response) => {
    // node's fetch cannot say which host it means
    const host = request.headers['x-played-host'] ?? request.headers.host;
    const handler = handlers[host.split(':')[0]];
    const url = new URL(request.url, `http://${host}`);
    const reply = makeReply(response);
    try {
      await (handler ? handler({ request, url, reply, text: () => readText(request) }) : reply.text('no such host', 404));
    } catch (error) {
      console.error(error);
      reply.text(String(error), 500);
    }
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}

function makeReply(response) {
  const send = (type) => (body, status = 200, headers = {}) => {
    response.writeHead(status, { 'Content-Type': type, 'Cache-Control': 'no-store', ...headers });
    response.end(body);
  };
  return {
    text: send('text/plain; charset=utf-8'),
    html: send('text/html; charset=utf-8'),
    css: send('text/css; charset=utf-8'),
    script: send('text/javascript; charset=utf-8'),
    json: (value, status, headers) => send('application/json')(JSON.stringify(value), status, headers),
  };
}

async function readText(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}
